"""A task is kept only if its answers can be found: a search with visible words must bring a passage that contains the span.

The paper trusts that Wikipedia holds the evidence; released RAMP data has masks that no search can fill, which teaches guessing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from masksearch.protocols import Searcher
from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.ramp.words import AFTER, BEFORE
from masksearch.types import Hit, MaskedTask


def contains_span(text: str, span: str) -> bool:
    """Whether `span` stands in `text` at word boundaries, whatever the case and white space."""
    words = span.split()
    return bool(words) and _pattern(" ".join(words).casefold()).search(" ".join(text.split()).casefold()) is not None


@lru_cache(maxsize=4096)
def _pattern(span: str) -> re.Pattern[str]:
    # Boundaries only where the span has a letter or figure at its edge: "$3" begins with its own.
    before = BEFORE if span[0].isalnum() else ""
    after = AFTER if span[-1].isalnum() else ""
    return re.compile(before + re.escape(span) + after)


def evidence_rank(hits: Sequence[Hit], span: str) -> int | None:
    """1-based rank of the first hit that contains the span; None if none does."""
    return next((rank for rank, hit in enumerate(hits, 1) if contains_span(hit.passage.text, span)), None)


def verify(task: MaskedTask, searcher: Searcher, k: int) -> tuple[int, ...] | None:
    """The rank of the evidence for each mask within the first `k` results of the first query that brings it; None if a mask has none."""
    first = searcher.search([visible_query(task.text, index, task.title) for index in range(task.masks)], k)
    ranks = []
    for index, (hits, span) in enumerate(zip(first, task.answers, strict=True)):
        rank = evidence_rank(hits, span)
        if rank is None:
            others = searcher.search(alternative_queries(task.text, index, task.title), k)
            rank = next((found for hits in others if (found := evidence_rank(hits, span)) is not None), None)
        if rank is None:
            return None
        ranks.append(rank)
    return tuple(ranks)
