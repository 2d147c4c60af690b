"""The sum of BM25's scores and the choice of the best, compiled: for frequent words, where numpy's passes over memory take many times as long.

The same rows and the same bits as `bm25.Bm25Searcher` finds with numpy: scores are added in the same order, and ties go by the order given. Compiled
code is kept on disk by numba.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

BLOCK = 512
"""Passages that are looked at together."""


@cache
def compiled() -> Callable[..., int]:
    """`best_rows`, compiled for the types it is called with when it is first called, unless that has been done before on this machine."""
    import numba

    try:
        function: Callable[..., int] = numba.njit(nogil=True, cache=True)(best_rows)
    except RuntimeError:  # no folder to keep compiled code in
        function = numba.njit(nogil=True)(best_rows)
    return function


def best_rows(
    scores: Any,
    rows: Any,
    columns: Any,
    terms: Any,
    sums: Any,
    order: Any,
    top_scores: Any,
    top_rows: Any,
    top_order: Any,
) -> int:
    """How many rows hold any of the terms, at most k; the best of them, best first, go to the three arrays of length k (at least 1).

    `scores` float32 and `rows` int32 by term, those of term t from `columns[t]` to `columns[t + 1]` (int64); `terms` int64; `sums` float32 zeros, one a
    passage, and zeros again afterwards; `order` int32, one a passage. Time grows with the occurrences of the terms, with all passages (a
    fraction of a nanosecond each), and with k for each row that is among the best so far.
    """
    zero = least = sums[
        0
    ]  # in single precision: a plain 0 would make the comparisons below double, and four times as slow
    for term in terms:
        for place in range(columns[term], columns[term + 1]):
            sums[rows[place]] += scores[place]
    found, most = 0, len(top_scores)
    for first in range(0, len(sums), BLOCK):
        last = min(first + BLOCK, len(sums))
        if found == most:
            # Whether there is anything to look at: a sum that does not stop half-way is many comparisons at a time in machine code.
            worth = np.int32(0)
            for row in range(first, last):
                worth += np.int32(sums[row] >= least)
            if worth == 0:
                continue
        for row in range(first, last):
            score = sums[row]
            if score < least or score == zero:
                continue
            position = order[row]
            if found == most and score == top_scores[most - 1] and position > top_order[most - 1]:
                continue
            at = min(found, most - 1)
            while at > 0 and (
                score > top_scores[at - 1] or (score == top_scores[at - 1] and position < top_order[at - 1])
            ):
                top_scores[at], top_rows[at], top_order[at] = (
                    top_scores[at - 1],
                    top_rows[at - 1],
                    top_order[at - 1],
                )
                at -= 1
            top_scores[at], top_rows[at], top_order[at] = score, row, position
            found = min(found + 1, most)
            if found == most:
                least = top_scores[most - 1]
    sums[:] = 0
    return found
