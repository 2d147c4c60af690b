"""A task is kept only if its answers can be found: a search with visible words must bring a passage that contains the span.

The paper trusts that Wikipedia holds the evidence; released RAMP data has masks that no search can fill, which teaches guessing.
Where a task hides its source, it is hidden here as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from masksearch.protocols import Searcher
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.search.wrappers.hiding import as_seen_by
from masksearch.text.words import boundaries
from masksearch.types import Hit, MaskedTask

NOT_RETRIEVABLE = "not retrievable"

Mask = tuple[int, int]
"""The number of a task among those that are checked together, and the number of a mask in it; both from 0."""


@dataclass(frozen=True)
class Found:
    """The evidence for a mask, and its 1-based rank in the search that brought it."""

    rank: int
    hit: Hit


def verify_retrievable(tasks: Sequence[MaskedTask], searcher: Searcher, k: int) -> list[Verdict]:
    """Whether each task's answers stand in the first `k` results of a search with visible words. `data`: the `ranks`, None where not found."""

    def holds_answer(mask: Mask, hit: Hit) -> bool:
        task = tasks[mask[0]]
        return contains_span(hit.passage.text, task.answers[mask[1]], task.language)

    found = find_evidence(tasks, searcher, k, holds_answer)
    verdicts = []
    for number, task in enumerate(tasks):
        evidence = [found.get((number, mask)) for mask in range(task.masks)]
        passed = all(evidence)
        verdicts.append(
            Verdict(
                passed, {"ranks": [one and one.rank for one in evidence]}, "" if passed else NOT_RETRIEVABLE
            )
        )
    return verdicts


def verify(task: MaskedTask, searcher: Searcher, k: int) -> tuple[int, ...] | None:
    """`verify_retrievable` for one task: the rank of the evidence for each mask; None if a mask has none."""
    verdict = verify_retrievable([task], searcher, k)[0]
    return tuple(verdict.data["ranks"]) if verdict.passed else None


def find_evidence(
    tasks: Sequence[MaskedTask], searcher: Searcher, k: int, is_evidence: Callable[[Mask, Hit], bool]
) -> dict[Mask, Found]:
    """The evidence for each mask that has any, by the first of its queries that brings some: the plain one, then the alternatives.

    Each task is searched as it is to be solved: without its own article, if it hides that. One search serves many masks.
    """
    found: dict[Mask, Found] = {}
    waiting = {
        (number, mask): _queries(task, mask)
        for number, task in enumerate(tasks)
        for mask in range(task.masks)
    }
    while waiting:
        asked = {
            mask: query for mask, queries in waiting.items() if (query := next(queries, None)) is not None
        }
        for mask, hits in _search(tasks, asked, searcher, k).items():
            for rank, hit in enumerate(hits, 1):
                if is_evidence(mask, hit):
                    found[mask] = Found(rank, hit)
                    break
        waiting = {mask: waiting[mask] for mask in asked if mask not in found}
    return found


def _queries(task: MaskedTask, mask: int) -> Iterator[str]:
    """The alternatives are only worked out where the first query has failed."""
    yield visible_query(task.text, mask, task.title, language=task.language)
    yield from alternative_queries(task.text, mask, task.title, language=task.language)


def _search(
    tasks: Sequence[MaskedTask], asked: dict[Mask, str], searcher: Searcher, k: int
) -> dict[Mask, list[Hit]]:
    """The results for each mask; tasks that see the same search are asked for together, each query once."""
    together: dict[int, dict[str, list[Mask]]] = {}
    for mask, query in asked.items():
        environment = mask[0] if tasks[mask[0]].source_hidden else -1
        together.setdefault(environment, {}).setdefault(query, []).append(mask)
    results: dict[Mask, list[Hit]] = {}
    for environment, queries in together.items():
        seen = searcher if environment < 0 else as_seen_by(tasks[environment], searcher)
        for masks, hits in zip(queries.values(), seen.search(list(queries), k), strict=True):
            results.update(dict.fromkeys(masks, hits))
    return results


def evidence_rank(hits: Sequence[Hit], span: str, language: str = "") -> int | None:
    """1-based rank of the first hit that contains the span; None if none does."""
    return next(
        (rank for rank, hit in enumerate(hits, 1) if contains_span(hit.passage.text, span, language)), None
    )


def contains_span(text: str, span: str, language: str = "") -> bool:
    """Whether `span` stands in `text` at word boundaries, whatever the case and white space."""
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
    # Boundaries only where the span has a letter or figure at its edge: "$3" begins with its own.
    before, after = _bounds(language)
    return bool(
        (not text[start].isalnum() or before.match(text, start))
        and (not text[end - 1].isalnum() or after.match(text, end))
    )


@cache
def _bounds(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    before, after = boundaries(language)
    return re.compile(before), re.compile(after)
