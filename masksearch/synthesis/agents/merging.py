"""Results of several queries as one list."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from masksearch.types import Hit


def merge(rankings: Sequence[Sequence[Hit]], most: int) -> list[Hit]:
    """Round-robin: the first of each ranking, then the second of each, and so on; each passage once, at most `most` in all."""
    merged: dict[str, Hit] = {}
    for row in zip_longest(*rankings):
        for hit in row:
            if hit is not None and len(merged) < most:
                merged.setdefault(hit.passage.id, hit)
    return list(merged.values())
