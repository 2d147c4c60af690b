"""Intervals and paired tests over questions, as pure seeded numpy.

They say how far a figure would move with other questions of the same kind. They say nothing of other training seeds:
train several, and see `compare` for the spread. Where every value is the same, the interval has no width; with few
questions that is no certainty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_CELLS = 4_000_000
"""Random numbers drawn at a time (32 MB), whatever the number of questions."""


class PairedDifference(NamedTuple):
    """Mean of a - b over the same questions, its 95% interval, and a two-sided p."""

    difference: float
    low: float
    high: float
    p: float


def _values(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"statistics need a list of at least one value, not the shape {array.shape}")
    return array


def _rounds(resamples: int, size: int) -> list[int]:
    """`resamples` cut into rounds that fit in memory."""
    at_once = max(1, _CELLS // size)
    return [min(at_once, resamples - start) for start in range(0, resamples, at_once)]


def standard_error(values: npt.ArrayLike) -> float:
    """Unbiased standard deviation / sqrt(n), in the unit of the values; nan for a single value."""
    array = _values(values)
    return float(array.std(ddof=1) / math.sqrt(array.size)) if array.size > 1 else math.nan


def bootstrap_interval(values: npt.ArrayLike, resamples: int, seed: int) -> tuple[float, float]:
    """95% percentile bootstrap interval (Efron) of the mean of `values` (n,). Raises ValueError without values."""
    array = _values(values)
    rng = np.random.default_rng(seed)
    means = [array[rng.integers(array.size, size=(count, array.size))].mean(axis=1) for count in _rounds(resamples, array.size)]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)


def sign_flip_p(differences: npt.ArrayLike, resamples: int, seed: int) -> float:
    """Two-sided p of "the mean difference is 0" by random sign flips (paired permutation test).

    p = (1 + #{|mean of flipped| >= |mean|}) / (1 + resamples), so it is never 0, and 1 where all differences are 0.
    """
    array = _values(differences)
    rng = np.random.default_rng(seed)
    bound = abs(array.sum()) * (1 - 1e-12)
    extreme = 0
    for count in _rounds(resamples, array.size):
        signs = rng.integers(2, size=(count, array.size)) * 2 - 1
        extreme += int((np.abs(signs @ array) >= bound).sum())
    return (1 + extreme) / (1 + resamples)


def paired_difference(a: npt.ArrayLike, b: npt.ArrayLike, resamples: int, seed: int) -> PairedDifference:
    """Mean of a - b, both (n,) and in the same order of questions: bootstrap interval over the pairs, sign-flip p.

    Raises ValueError where the lengths differ or are 0.
    """
    first, second = _values(a), _values(b)
    if first.shape != second.shape:
        raise ValueError(f"paired values must be equally many, not {first.size} and {second.size}")
    differences = first - second
    low, high = bootstrap_interval(differences, resamples, seed)
    return PairedDifference(float(differences.mean()), low, high, sign_flip_p(differences, resamples, seed))
