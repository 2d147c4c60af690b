"""Closed intervals for means of scores in [0, 1] that resampling cannot give: shares, and equal scores.

A bootstrap of n equal scores has no variation, so it gives an interval of width 0: [0, 0] for 0 right answers
of 60, which claims certainty. Wilson's interval gives [0, 6.0]%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Z = NormalDist().inv_cdf(0.975)
"""Critical value of two-sided 95% intervals: 1.96."""


class Bounds(NamedTuple):
    """A mean with its 95% interval [low, high]."""

    mean: float
    low: float
    high: float


def wilson_interval(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """Returns Wilson's score interval of a share of `n` questions; 95% with the default `z`.

    Source: Wilson 1927. `n` may be an effective number of questions, and then `z` a critical value of
    Student's t. The interval contains `share` and stays in [0, 1]: 0 of 60 gives [0, 0.0602], 60 of 60 gives
    [0.9398, 1]. Raises ValueError if `n` is not positive.
    """
    if n <= 0:
        raise ValueError(f"a share needs a positive number of questions, not {n}")
    weight = z * z / n
    middle = (share + weight / 2) / (1 + weight)
    half = math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    # At shares of 0 and 1 one bound is the share, except for rounding.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def is_shares(values: Floats) -> bool:
    """Whether all values are 0 or 1, so that their mean is a share."""
    return bool(((values == 0) | (values == 1)).all())


def is_constant(values: Floats) -> bool:
    """Whether all values are equal, except for rounding."""
    return bool(np.ptp(values) <= 1e-12)


def constant_interval(value: float, n: int, lowest: float = 0.0, highest: float = 1.0) -> tuple[float, float]:
    """Returns a conservative 95% interval of a mean if all `n` questions have the same value.

    With 95% confidence, at most the share u of all questions of this kind has another value, where u is
    Wilson's upper bound of 0 of n. The other values are at worst `lowest` or at best `highest`, so the mean
    is in [value - u (value - lowest), value + u (highest - value)]. For scores of 0 or 1 this is Wilson's
    interval.
    """
    other = wilson_interval(0.0, n)[1]
    return value - other * (value - lowest), value + other * (highest - value)


def mean_of_bounds(parts: Sequence[Bounds]) -> tuple[float, float]:
    """Returns the 95% interval of the mean of independent means, from their intervals.

    The distances of the lower bounds from their means are added as squares, and so are those of the upper
    bounds. Source: Zou and Donner 2008 (MOVER). A single mean keeps its interval.
    """
    mean = sum(part.mean for part in parts) / len(parts)
    below = math.sqrt(sum((part.mean - part.low) ** 2 for part in parts)) / len(parts)
    above = math.sqrt(sum((part.high - part.mean) ** 2 for part in parts)) / len(parts)
    return mean - below, mean + above
