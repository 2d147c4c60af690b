"""Confidence intervals and paired tests over questions, computed by seeded resampling in numpy.

Both describe how a score would vary with other questions of the same kind. They do not describe the
variation between training seeds; to see it, train several seeds and use `compare`, which shows the spread.
If all values are equal, the interval has width 0. With few questions this does not mean that the score is
certain.

The average of several suites is the mean of their means, so every suite has the same weight, whatever its
number of questions. Resampling is stratified: each suite is resampled separately, with its own number of
questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Test = Literal["permutation", "bootstrap"]
Correction = Literal["holm", "benjamini-hochberg", "none"]
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
    """Returns the mean of a - b with its bootstrap interval and its p by `test`.

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
    low, high = macro_interval(groups, resamples, seed)
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
