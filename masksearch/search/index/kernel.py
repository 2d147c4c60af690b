"""Sums BM25 scores and selects the best rows in code compiled by numba, for frequent words in large indexes.

For such words, numpy's several passes over memory take many times as long. Rows and scores equal to the
last bit those that `bm25.Bm25Searcher` computes with numpy, because scores are added in the same order, and
ties are broken by the same id order. numba is optional (the extra `fast`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

BLOCK = 512
"""Number of passages whose sums are compared at once with the threshold, which is the k-th best sum so
far."""


@cache
def compiled() -> Callable[..., int] | None:
    """Returns `best_rows` compiled by numba, or None if numba cannot be imported.

    Compilation takes place at the first call, for the argument types of that call. numba caches the
    machine code on disk, so later processes load it.
    """
    try:
        import numba
    except ImportError:  # numba is not installed, or does not support this version of numpy
        return None
    try:
        function: Callable[..., int] = numba.njit(nogil=True, cache=True)(best_rows)
    except RuntimeError:  # numba has no writable folder for its cache
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
    """Writes the best rows, best first, to the three `top_` arrays and returns their number, at most k.

    Arguments:
        scores: float32 (occurrences,), grouped by term: term t has `scores[columns[t]:columns[t + 1]]`.
        rows: int32 (occurrences,), the row of each score.
        columns: int64 (terms of the vocabulary + 1,).
        terms: int64 (terms of the query,).
        sums: float32 (passages,), all zero; it is all zero again on return.
        order: int32 (passages,), the position of each row's passage id in sorted order.
        top_scores, top_rows, top_order: float32, int32 and int32, each (k,); k is at least 1.

    Time grows with the number of occurrences of the terms and the number of passages (a fraction of a
    nanosecond each). In addition, each row that is among the best so far takes up to k steps.
    """
    # `zero` and `least` are read from the array, so that they are float32. A literal 0 would make the
    # comparisons below use double precision, which takes four times as long.
    zero = least = sums[0]
    for term in terms:
        for place in range(columns[term], columns[term + 1]):
            sums[rows[place]] += scores[place]
    found, most = 0, len(top_scores)
    for first in range(0, len(sums), BLOCK):
        last = min(first + BLOCK, len(sums))
        if found == most:
            # Counts the rows that reach the threshold and skips the block if there are none. A loop
            # without an early exit compiles to vector instructions.
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
            # Insertion sort: worse rows move down by one.
            at = min(found, most - 1)
            while at > 0 and (
                score > top_scores[at - 1] or (score == top_scores[at - 1] and position < top_order[at - 1])
            ):
                top_scores[at] = top_scores[at - 1]
                top_rows[at] = top_rows[at - 1]
                top_order[at] = top_order[at - 1]
                at -= 1
            top_scores[at] = score
            top_rows[at] = row
            top_order[at] = position
            found = min(found + 1, most)
            if found == most:
                least = top_scores[most - 1]
    sums[:] = 0
    return found
