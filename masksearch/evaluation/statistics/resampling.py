"""Confidence intervals and paired tests over questions, computed by seeded resampling in numpy.

Both describe how a score would vary with other questions of the same kind. They do not describe the
variation between training seeds. For that, train several seeds: `crossed` has the intervals and tests for
seeds and questions as crossed units.

Resampling equal values gives an interval of width 0, although the score is not certain. `score_interval`,
`macro_score_interval` and the intervals of paired differences therefore use closed intervals for equal
values, and Wilson's interval for shares (see `shares`).

The average of several suites is the mean of their means, so every suite has the same weight, whatever its
number of questions. Resampling is stratified: each suite is resampled separately, with its own number of
questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from masksearch.evaluation.statistics.shares import (
    Bounds,
    Floats,
    constant_interval,
    is_constant,
    is_shares,
    mean_of_bounds,
    wilson_interval,
)

Test = Literal["permutation", "bootstrap"]
_CELLS = 4_000_000
"""Maximum number of random numbers drawn at a time (32 MB), which limits the memory for large suites."""


class PairedDifference(NamedTuple):
    """The mean of a - b over the same questions, its 95% interval [low, high], and its two-sided p value."""

    difference: float
    low: float
    high: float
    p: float


def _values(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)  # (questions,)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"statistics need a list of at least one value, not the shape {array.shape}")
    return array


def _batches(resamples: int, size: int) -> list[int]:
    """Splits `resamples` into batches and returns the number of resamples in each batch.

    A resample draws `size` random numbers. One batch draws at most `_CELLS` numbers, or is a single resample.
    """
    at_once = max(1, _CELLS // size)
    return [min(at_once, resamples - start) for start in range(0, resamples, at_once)]


def _bootstrap_means(array: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Returns the means (resamples,) of resamples, drawn with replacement from `array` (questions,)."""
    means = []
    for count in _batches(resamples, array.size):
        drawn = rng.integers(array.size, size=(count, array.size))  # (count, questions)
        means.append(array[drawn].mean(axis=1))  # (count,)
    return np.concatenate(means)


def _bootstrap_macro_means(groups: Sequence[Floats], resamples: int, seed: int) -> Floats:
    """Returns, for each resample, the mean of the groups' means: an array (resamples,).

    Each group (questions of the group,) is resampled separately.
    """
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
    """Returns the 95% percentile bootstrap interval (Efron) of the mean of `values` (questions,).

    Raises ValueError without values.
    """
    return macro_interval([values], resamples, seed)


def macro_interval(groups: Sequence[npt.ArrayLike], resamples: int, seed: int) -> tuple[float, float]:
    """Returns the 95% percentile interval of the mean of the groups' means, by the stratified bootstrap.

    Each group is (questions of the group,). Raises ValueError without groups, or for a group without
    values.
    """
    return _interval(_bootstrap_macro_means(_groups(groups), resamples, seed))


def score_interval(values: npt.ArrayLike, resamples: int, seed: int) -> tuple[float, float]:
    """Returns the 95% interval of the mean of scores in [0, 1], one for each question.

    Scores that are all 0 or 1 are a share and get Wilson's interval. Other equal scores get the conservative
    `constant_interval`, all others the percentile bootstrap. No interval has width 0. Raises ValueError
    without values.
    """
    return macro_score_interval([values], resamples, seed)


def macro_score_interval(groups: Sequence[npt.ArrayLike], resamples: int, seed: int) -> tuple[float, float]:
    """Returns the 95% interval of the mean of the groups' means, for scores in [0, 1].

    The interval is the stratified bootstrap, unless the scores of a group are all equal or those of all
    groups are 0 or 1. Then each group gets its `score_interval`, and these are combined by `mean_of_bounds`.
    Values outside [0, 1] are no scores and keep the bootstrap. Raises ValueError without groups, or for a
    group without values.
    """
    arrays = _groups(groups)
    scores = all(array.min() >= 0 and array.max() <= 1 for array in arrays)
    if not scores or not (all(map(is_shares, arrays)) or any(map(is_constant, arrays))):
        return _interval(_bootstrap_macro_means(arrays, resamples, seed))
    return mean_of_bounds([_score_bounds(array, resamples, seed) for array in arrays])


def _score_bounds(array: Floats, resamples: int, seed: int) -> Bounds:
    mean = float(array.mean())
    if is_shares(array):
        return Bounds(mean, *wilson_interval(mean, array.size))
    if is_constant(array):
        return Bounds(mean, *constant_interval(mean, array.size))
    return Bounds(mean, *bootstrap_interval(array, resamples, seed))


def _difference_interval(groups: Sequence[Floats], resamples: int, seed: int) -> tuple[float, float]:
    """Returns the 95% interval of the mean of the groups' mean differences.

    The interval is the stratified bootstrap, unless the differences of a group are all equal. Then this
    group gets its `constant_interval` between -1 and 1, and the groups are combined by `mean_of_bounds`.
    Differences of counts, which have no limits, keep the bootstrap.
    """
    limited = all(float(np.abs(group).max()) <= 1 for group in groups)
    if not limited or not any(map(is_constant, groups)):
        return _interval(_bootstrap_macro_means(groups, resamples, seed))
    parts = []
    for group in groups:
        mean = float(group.mean())
        constant = is_constant(group)
        parts.append(
            Bounds(mean, *constant_interval(mean, group.size, -1.0, 1.0))
            if constant
            else Bounds(mean, *bootstrap_interval(group, resamples, seed))
        )
    return mean_of_bounds(parts)


def sign_flip_p(differences: npt.ArrayLike, resamples: int, seed: int) -> float:
    """Returns the two-sided p of the hypothesis "the mean difference is 0" by the paired permutation test.

    The test flips the signs of `differences` (questions,) at random, `resamples` times:
    p = (1 + number of flips with |mean of flipped| >= |mean|) / (1 + resamples). So p is never 0, and it is
    1 if all differences are 0.
    """
    array = _values(differences)
    rng = np.random.default_rng(seed)
    # The tolerance makes sums that differ only by rounding count as equal.
    bound = abs(array.sum()) - 1e-12 * np.abs(array).sum()
    extreme = 0
    for count in _batches(resamples, array.size):
        signs = rng.integers(2, size=(count, array.size)) * 2 - 1  # (count, questions), each -1 or 1
        extreme += int((np.abs(signs @ array) >= bound).sum())
    return (1 + extreme) / (1 + resamples)


def _shifted_bootstrap_p(groups: Sequence[Floats], resamples: int, seed: int) -> float:
    """Returns the two-sided p of the hypothesis "the mean difference is 0" by the bootstrap.

    The mean is the mean of the groups' means. Each group's differences (questions of the group,) are
    shifted to mean 0, so that they fulfil the hypothesis, and then resampled:
    p = (1 + number of resamples with |resampled mean| >= |mean|) / (1 + resamples). Source: Efron and
    Tibshirani 1993, An Introduction to the Bootstrap, section 16.4, but with the mean itself as the
    statistic. With few questions p is too small, because a resample varies less than new questions would;
    the permutation test does not have this bias.
    """
    observed = abs(sum(float(group.mean()) for group in groups) / len(groups))
    means = _bootstrap_macro_means([group - group.mean() for group in groups], resamples, seed)
    rounding = 1e-12 * max(float(np.abs(group).max()) for group in groups)
    return (1 + int((np.abs(means) >= observed - rounding).sum())) / (1 + resamples)


def paired_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, resamples: int, seed: int, test: Test = "permutation"
) -> PairedDifference:
    """Returns the mean of a - b with its 95% interval and its p by `test`.

    a and b are (questions,), in the same order. Raises ValueError if the lengths differ or are 0.
    """
    return paired_macro_difference([(a, b)], resamples, seed, test)


def paired_macro_difference(
    pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    resamples: int,
    seed: int,
    test: Test = "permutation",
) -> PairedDifference:
    """Returns the mean over suites of each suite's mean of a - b, with its interval and its p by `test`.

    `pairs` has (a, b) for each suite, both (questions of the suite,) in the same order. Raises ValueError
    without suites, or if the lengths within a suite differ or are 0.
    """
    groups = _groups([_difference(a, b) for a, b in pairs])
    difference = sum(float(group.mean()) for group in groups) / len(groups)
    low, high = _difference_interval(groups, resamples, seed)
    if test == "bootstrap":
        return PairedDifference(difference, low, high, _shifted_bootstrap_p(groups, resamples, seed))
    # With these weights the sum of all differences is the mean of the suites' means. Flipping signs does
    # not change the weights, so one permutation test over all questions is enough.
    weighted = np.concatenate([group / (group.size * len(groups)) for group in groups])  # (all questions,)
    return PairedDifference(difference, low, high, sign_flip_p(weighted, resamples, seed))


def _difference(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    first, second = _values(a), _values(b)
    if first.shape != second.shape:
        raise ValueError(f"paired values must have equal lengths, not {first.size} and {second.size}")
    return first - second
