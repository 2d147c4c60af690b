"""The checks of drafts by searching.

    retrievable     every step's own query finds the passage that states its fact, among the first k results
    one-search      no query from the words of the task finds the last passage, for chains, inferences and
                    intersections; otherwise the task teaches one search

For the second, a passage counts as found too if it is another one that holds both the answer and the last
name that was withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksearch.protocols import Searcher
from masksearch.ramp.chains.queries import step_queries, visible_queries
from masksearch.ramp.chains.records import Draft
from masksearch.ramp.checks.retrievable import contains_span
from masksearch.ramp.checks.verdict import Verdict
from masksearch.types import ChainStep, Hit

HIDDEN = ("chain", "inference", "intersection")
"""Shapes that no single search may solve."""
NOT_RETRIEVABLE = "not retrievable"
ONE_SEARCH = "solvable in one search"


def retrievable(drafts: Sequence[Draft], searcher: Searcher, k: int) -> list[Verdict]:
    """Checks that each step's query finds its passage; the verdict's `data` has the rank of each step."""
    queries = list(dict.fromkeys(query for draft in drafts for step in draft.steps for query in _first(step)))
    hits = dict(zip(queries, searcher.search(queries, k), strict=True))
    return [_ranked(draft, hits) for draft in drafts]


def _first(step: ChainStep) -> list[str]:
    return step_queries(step)[:2]


def _ranked(draft: Draft, hits: dict[str, list[Hit]]) -> Verdict:
    ranks: list[int | None] = []
    for step in draft.steps:
        places = (_place(hits[query], step) for query in _first(step))
        ranks.append(next((place for place in places if place), None))
    passed = all(ranks)
    return Verdict(passed, {"ranks": ranks}, "" if passed else NOT_RETRIEVABLE)


def _place(hits: Sequence[Hit], step: ChainStep) -> int | None:
    return next((rank for rank, hit in enumerate(hits, 1) if hit.passage.id == step.passage_id), None)


def not_in_one_search(drafts: Sequence[Draft], searcher: Searcher, k: int) -> list[Verdict]:
    """Checks that no query from the visible words finds the last passage; returns one verdict per draft."""
    asked = {
        number: visible_queries(draft.question, draft.named, draft.steps[-1])
        for number, draft in enumerate(drafts)
        if draft.shape in HIDDEN
    }
    queries = list(dict.fromkeys(query for rows in asked.values() for query in rows))
    hits = dict(zip(queries, searcher.search(queries, k), strict=True))
    verdicts = []
    for number, draft in enumerate(drafts):
        rows = asked.get(number, [])
        solved = any(_solves(draft, hit) for query in rows for hit in hits[query])
        data: dict[str, Any] = {"queries": len(rows)}
        verdicts.append(Verdict(not solved, data, ONE_SEARCH if solved else ""))
    return verdicts


def _solves(draft: Draft, hit: Hit) -> bool:
    last, passage = draft.steps[-1], hit.passage
    if passage.id == last.passage_id:
        return True
    bridge = draft.bridges[-1] if draft.bridges else ""
    if draft.shape == "intersection" or not bridge:
        return False  # the list in the first passage holds the answer, among others
    named = contains_span(passage.title, bridge) or contains_span(passage.text, bridge)
    return named and contains_span(passage.text, draft.answer)
