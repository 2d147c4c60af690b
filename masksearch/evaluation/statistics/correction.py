"""Corrections of the p values of several tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Correction = Literal["holm", "benjamini-hochberg", "none"]


def adjust(p: Sequence[float], correction: Correction) -> list[float]:
    """Returns the p values of one family of tests, corrected for multiple comparisons.

    The result has the order of `p`. No corrected value is above 1 or below its raw value. For m tests and
    their sorted values p_(1) <= ... <= p_(m), the corrections are

    holm                 bounds the chance of any false finding (Holm 1979): the running maximum, from
                         the smallest p up, of p_(i) (m - i + 1)
    benjamini-hochberg   bounds the expected share of false findings (Benjamini and Hochberg 1995): the
                         running minimum, from the largest p down, of p_(i) m / i
    """
    if correction == "none" or not p:
        return [float(value) for value in p]
    array = np.asarray(p, dtype=np.float64)  # (tests,)
    order, count = np.argsort(array, kind="stable"), len(p)
    ranked, ranks = array[order], np.arange(1, count + 1)  # both (tests,), smallest p first
    if correction == "holm":
        stepped = np.maximum.accumulate(ranked * (count - ranks + 1))
    else:
        stepped = np.minimum.accumulate((ranked * count / ranks)[::-1])[::-1]
    adjusted = np.empty(count)
    # Rounding can make p * m / m slightly smaller than p.
    adjusted[order] = np.clip(np.maximum(stepped, ranked), None, 1.0)
    return [float(value) for value in adjusted]


def least_adjusted_p(resamples: int, tests: int, correction: Correction) -> float:
    """Returns the smallest corrected p that one of `tests` tests can have with this number of resamples.

    Assumes that no other test is significant.
    """
    return min(1.0, (tests if correction != "none" else 1) / (1 + resamples))
