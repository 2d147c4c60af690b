"""Intervals and paired tests over questions, as pure seeded numpy.

They say how far a figure would move with other questions of the same kind. They say nothing of other training seeds:
train several, and see `compare` for the spread. Where every value is the same, the interval has no width; with few
questions that is no certainty.

Several suites are averaged as the mean of their means, each suite weighing the same however many questions it has; its
resampling is stratified: every suite keeps its number of questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Test = Literal["permutation", "bootstrap"]
Correction = Literal["holm", "benjamini-hochberg", "none"]
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


def _bootstrap_means(array: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Means of `resamples` samples of `array` (n,), drawn with replacement."""
    means = [
        array[rng.integers(array.size, size=(count, array.size))].mean(axis=1)
        for count in _rounds(resamples, array.size)
    ]
    return np.concatenate(means)


def _bootstrap_macro_means(groups: Sequence[Floats], resamples: int, seed: int) -> Floats:
    """Means of the means of `groups`, each group resampled by itself: (resamples,)."""
    rng = np.random.default_rng(seed)
    total = np.zeros(resamples)
    for group in groups:
        total += _bootstrap_means(group, resamples, rng)
    return total / len(groups)


def _interval(means: Floats) -> tuple[float, float]:
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _groups(groups: Sequence[npt.ArrayLike]) -> list[Floats]:
    if not groups:
        raise ValueError("a mean of means needs at least one group")
    return [_values(group) for group in groups]


def bootstrap_interval(values: npt.ArrayLike, resamples: int, seed: int) -> tuple[float, float]:
    """95% percentile bootstrap interval (Efron) of the mean of `values` (n,). Raises ValueError without values."""
    return macro_interval([values], resamples, seed)


def macro_interval(groups: Sequence[npt.ArrayLike], resamples: int, seed: int) -> tuple[float, float]:
    """95% percentile interval of the mean of the groups' means, by the stratified bootstrap. Raises ValueError without groups or values."""
    return _interval(_bootstrap_macro_means(_groups(groups), resamples, seed))


def sign_flip_p(differences: npt.ArrayLike, resamples: int, seed: int) -> float:
    """Two-sided p of "the mean difference is 0" by random sign flips (paired permutation test).

    p = (1 + #{|mean of flipped| >= |mean|}) / (1 + resamples), so it is never 0, and 1 where all differences are 0.
    """
    array = _values(differences)
    rng = np.random.default_rng(seed)
    # Sums that are equal but for rounding count as equal.
    bound = abs(array.sum()) - 1e-12 * np.abs(array).sum()
    extreme = 0
    for count in _rounds(resamples, array.size):
        signs = rng.integers(2, size=(count, array.size)) * 2 - 1
        extreme += int((np.abs(signs @ array) >= bound).sum())
    return (1 + extreme) / (1 + resamples)


def bootstrap_p(differences: npt.ArrayLike, resamples: int, seed: int) -> float:
    """Two-sided p of "the mean difference is 0" by the bootstrap of shifted differences.

    The differences are shifted to a mean of 0, as the hypothesis has it, and resampled (Efron and Tibshirani 1993, An Introduction
    to the Bootstrap, section 16.4, with the mean itself as the statistic): p = (1 + #{|mean of resampled| >= |mean|}) / (1 + resamples).
    With few questions it is smaller than it should be (a resample spreads less than the questions do); the permutation test is not.
    """
    return _macro_bootstrap_p([_values(differences)], resamples, seed)


def _macro_bootstrap_p(groups: Sequence[Floats], resamples: int, seed: int) -> float:
    observed = abs(sum(float(group.mean()) for group in groups) / len(groups))
    means = _bootstrap_macro_means([group - group.mean() for group in groups], resamples, seed)
    rounding = 1e-12 * max(float(np.abs(group).max()) for group in groups)
    return (1 + int((np.abs(means) >= observed - rounding).sum())) / (1 + resamples)


def paired_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, resamples: int, seed: int, test: Test = "permutation"
) -> PairedDifference:
    """Mean of a - b, both (n,) and in the same order of questions: bootstrap interval over the pairs, p by `test`.

    Raises ValueError where the lengths differ or are 0.
    """
    return paired_macro_difference([(a, b)], resamples, seed, test)


def paired_macro_difference(
    pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    resamples: int,
    seed: int,
    test: Test = "permutation",
) -> PairedDifference:
    """Mean over suites of the mean of a - b, where `pairs` has (a, b) of each suite, in the same order of questions.

    Raises ValueError without suites, or where the lengths within one differ or are 0.
    """
    groups = _groups([_difference(a, b) for a, b in pairs])
    difference = sum(float(group.mean()) for group in groups) / len(groups)
    low, high = macro_interval(groups, resamples, seed)
    if test == "bootstrap":
        return PairedDifference(difference, low, high, _macro_bootstrap_p(groups, resamples, seed))
    # So weighted, the sum of all differences is the mean of the suites' means, and flips of signs leave the weights as they are.
    weighted = np.concatenate([group / (group.size * len(groups)) for group in groups])
    return PairedDifference(difference, low, high, sign_flip_p(weighted, resamples, seed))


def _difference(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    first, second = _values(a), _values(b)
    if first.shape != second.shape:
        raise ValueError(f"paired values must be equally many, not {first.size} and {second.size}")
    return first - second


def adjust(p: Sequence[float], correction: Correction) -> list[float]:
    """p values of one family of tests, each corrected for there being many, in the order given; none is above 1 or below its raw value.

    holm                 chance of even one false finding (Holm 1979): the running maximum, from the smallest up, of p_(i) (m - i + 1)
    benjamini-hochberg   expected share of false findings (Benjamini and Hochberg 1995): the running minimum, from the largest down, of p_(i) m / i
    """
    if correction == "none" or not p:
        return [float(value) for value in p]
    array = np.asarray(p, dtype=np.float64)
    order, count = np.argsort(array, kind="stable"), len(p)
    ranked, ranks = array[order], np.arange(1, count + 1)
    step_down, step_up = ranked * (count - ranks + 1), ranked * count / ranks
    found = (
        np.maximum.accumulate(step_down)
        if correction == "holm"
        else np.minimum.accumulate(step_up[::-1])[::-1]
    )
    adjusted = np.empty(count)
    # Rounding can leave p * m / m a little below p.
    adjusted[order] = np.clip(np.maximum(found, ranked), None, 1.0)
    return [float(value) for value in adjusted]


def least_adjusted_p(resamples: int, tests: int, correction: Correction) -> float:
    """The smallest adjusted p that one test among `tests` can get when the others find nothing."""
    return min(1.0, (tests if correction != "none" else 1) / (1 + resamples))
