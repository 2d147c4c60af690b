"""The check `retrievable`: a search with visible words must return a passage that contains each answer.

The paper has no such check: it assumes that Wikipedia holds the evidence. The RAMP data released with the
paper has masks that no search can fill, and training on them teaches guessing. If a task hides its source
article, the check hides the article from its searches too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from masksearch.protocols import Searcher
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.search.wrappers.hiding import search_for_task
from masksearch.text.words import boundaries
from masksearch.types import Hit, MaskedTask

NOT_RETRIEVABLE = "not retrievable"

Mask = tuple[int, int]
"""(index of a task in the batch, index of a mask in the task), both from 0."""


@dataclass(frozen=True)
class Found:
    """The evidence for a mask, and its rank (from 1) in the search that returned it."""

    rank: int
    hit: Hit


def verify_retrievable(tasks: Sequence[MaskedTask], searcher: Searcher, k: int) -> list[Verdict]:
    """Checks that the first `k` results of a search contain each answer; returns one verdict per task.

    The verdict's `data` has `ranks`: for each mask, the rank of the evidence, or None.
    """

    def holds_answer(mask: Mask, hit: Hit) -> bool:
        task = tasks[mask[0]]
        return contains_span(hit.passage.text, task.answers[mask[1]], task.language)

    found = find_evidence(tasks, searcher, k, holds_answer)
    verdicts = []
    for number, task in enumerate(tasks):
        evidence = [found.get((number, mask)) for mask in range(task.masks)]
        ranks = [item.rank if item else None for item in evidence]
        passed = all(evidence)
        verdicts.append(Verdict(passed, {"ranks": ranks}, "" if passed else NOT_RETRIEVABLE))
    return verdicts


def find_evidence(
    tasks: Sequence[MaskedTask], searcher: Searcher, k: int, is_evidence: Callable[[Mask, Hit], bool]
) -> dict[Mask, Found]:
    """Searches for the evidence of each mask, query by query; returns the evidence of the masks that have it.

    The first query of a mask is `visible_query`, then come the alternatives. After a query that found
    evidence, the later queries of the mask are skipped. If a task hides its source article, its searches
    hide the article too. Equal queries of several masks are searched once.
    """
    found: dict[Mask, Found] = {}
    waiting = {
        (number, mask): _queries(task, mask)
        for number, task in enumerate(tasks)
        for mask in range(task.masks)
    }
    while waiting:
        queries = {mask: query for mask, left in waiting.items() if (query := next(left, None)) is not None}
        for mask, hits in _search(tasks, queries, searcher, k).items():
            for rank, hit in enumerate(hits, 1):
                if is_evidence(mask, hit):
                    found[mask] = Found(rank, hit)
                    break
        waiting = {mask: waiting[mask] for mask in queries if mask not in found}
    return found


def _queries(task: MaskedTask, mask: int) -> Iterator[str]:
    """Yields a mask's queries; the alternatives are built only if the first query found no evidence."""
    yield visible_query(task.text, mask, task.title, language=task.language)
    yield from alternative_queries(task.text, mask, task.title, language=task.language)


def _search(
    tasks: Sequence[MaskedTask], queries: dict[Mask, str], searcher: Searcher, k: int
) -> dict[Mask, list[Hit]]:
    """Returns the search results of each mask's query.

    A task with a hidden source searches a view of the index without this source. All other tasks share the
    plain search. Each view, and the plain search, gets all of its distinct queries in one batch.
    """
    plain = -1
    by_view: dict[int, dict[str, list[Mask]]] = {}
    for mask, query in queries.items():
        view = mask[0] if tasks[mask[0]].source_hidden else plain
        by_view.setdefault(view, {}).setdefault(query, []).append(mask)
    results: dict[Mask, list[Hit]] = {}
    for view, masks_by_query in by_view.items():
        view_searcher = searcher if view == plain else search_for_task(tasks[view], searcher)
        found = view_searcher.search(list(masks_by_query), k)
        for masks, hits in zip(masks_by_query.values(), found, strict=True):
            results.update(dict.fromkeys(masks, hits))
    return results


def contains_span(text: str, span: str, language: str = "") -> bool:
    """Whether `text` contains `span` as whole words; ignores case and differences of white space."""
    span, text = _plain(span), _plain(text)
    place = text.find(span) if span else -1
    while place >= 0:
        if _bounded(text, place, place + len(span), language):
            return True
        place = text.find(span, place + 1)
    return False


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _bounded(text: str, start: int, end: int, language: str) -> bool:
    # A word boundary is required only at an edge that is a letter or digit: "$3" may follow a letter.
    before, after = _bounds(language)
    return bool(
        (not text[start].isalnum() or before.match(text, start))
        and (not text[end - 1].isalnum() or after.match(text, end))
    )


@cache
def _bounds(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    before, after = boundaries(language)
    return re.compile(before), re.compile(after)
