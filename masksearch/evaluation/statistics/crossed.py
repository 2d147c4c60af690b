"""Intervals and tests for arms with several training seeds: seeds and questions as crossed units.

Every seed of an arm answers the same questions. A mean over both varies with the seeds, with the questions,
and with what a single seed does on a single question. For the score y of seed s on question q of one arm,

    y_sq = mean + seed_s + question_q + rest_sq,

the variance of the mean over S seeds and Q questions is estimated from the mean squares of this two-way
random model (Searle, Casella and McCulloch 1992, section 4.3):

    questions   variance between the questions' means / Q; includes the rest, divided by S Q
    seeds       variance between the seeds' means / S; includes the rest, divided by S Q
    rest        variance of the rest / (S Q)
    variance    seeds + max(0, questions - rest), because the rest is in both

A difference of two arms uses the questions' differences, and the sum of both arms' seeds and rests: their
questions are the same, their seeds are independent. Three departures from the textbook matter with few seeds:

- `seeds` is at least a quarter of `rest`, its least expected value being the whole `rest`. Without a bound,
  two or three seeds whose means are equal by chance would give a variance of 0.
- The degrees of freedom are Satterthwaite's (1946), so that intervals and p come from Student's t. With few
  seeds that differ they are few: S - 1 for an arm, the seeds of both arms minus 2 for a pair.
- The degrees of freedom of a pair's seeds assume equal variances between the seeds of both arms, because two
  seeds say too little about their own variance. The variance itself is not pooled.

A bootstrap over so few seeds would be too narrow: it draws from 3 values with the divisor 3 instead of 2, and
without the wide tails of t. `benchmarks/seeds.py` measures the false positives.

An arm with one seed has no variance between seeds in these figures, although it has it in truth. If all arms
have one seed, everything is as in `statistics`: resampling over questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from masksearch.evaluation.statistics.resampling import (
    PairedDifference,
    Test,
    macro_interval,
    macro_score_interval,
    paired_macro_difference,
)
from masksearch.evaluation.statistics.shares import (
    Floats,
    Z,
    constant_interval,
    is_constant,
    is_shares,
    wilson_interval,
)
from masksearch.evaluation.statistics.student import critical_t, two_sided_p

LEAST_SEEDS = 0.25
"""Smallest variance between the seeds' means, as a share of the variance that the rest gives them."""
Suite = Floats
"""Scores of one arm on one suite, (seeds, questions)."""
Groups = Sequence[Sequence[Suite]]
"""Scores of one arm: the mean is the mean over groups of the mean of all questions of a group's suites. Row s
of every suite is the same seed; suites may differ in their number of seeds."""


class Variance(NamedTuple):
    """The estimated variance of a mean or difference, with Satterthwaite's degrees of freedom."""

    value: float
    df: float


class _Seeds(NamedTuple):
    """The part of one arm: see the module's text."""

    seeds: float
    rest: float
    number: int
    """Number of seeds; the smallest number if the suites with several seeds differ; 1 without any."""


def one_seed(groups: Groups) -> bool:
    """Whether no suite has several seeds."""
    return all(suite.shape[0] == 1 for group in groups for suite in group)


def crossed_interval(groups: Groups, resamples: int, seed: int, scores: bool = True) -> tuple[float, float]:
    """Returns the 95% interval of an arm's mean over seeds and questions.

    With one seed it is `macro_score_interval` of the questions, or `macro_interval` if the values are counts
    (`scores` is false). With several seeds, shares (0 or 1 for every seed and question) get Wilson's interval
    with the number of questions that a simple sample of the same variance would have, and with the critical
    value of t. Other values get mean +- t * standard error, within [0, 1] for scores. If all seeds give all
    questions the same score, the interval is that of one seed.
    """
    means = [_question_means(group) for group in groups]
    interval = macro_score_interval if scores else macro_interval
    if one_seed(groups):
        return interval(means, resamples, seed)
    variance = _variance(means, [_seeds(groups)], (0.0, 1.0) if scores else None)
    if _without_variation(means, [groups]):
        return interval(means, resamples, seed)
    mean = _mean(means)
    t = critical_t(variance.df)
    if scores and all(is_shares(suite) for group in groups for suite in group):
        total = sum(suite.size for group in groups for suite in group)
        return wilson_interval(mean, min(total, mean * (1 - mean) / variance.value), t)
    half = t * math.sqrt(variance.value)
    low, high = mean - half, mean + half
    return (max(0.0, low), min(1.0, high)) if scores else (low, high)


def crossed_difference(
    a: Groups, b: Groups, resamples: int, seed: int, test: Test = "permutation"
) -> PairedDifference:
    """Returns the mean of arm a - arm b over the same questions, with its 95% interval and two-sided p.

    The columns of a's and b's suites are the same questions, and their groups are the same suites. With one
    seed in each arm the result is `paired_macro_difference` with the test `test`, over the questions alone.
    With several seeds interval and p come from Student's t; if nothing varies, p is that of the permutation
    test over the questions. Raises ValueError if the numbers of questions differ.
    """
    pairs = [(_question_means(first), _question_means(second)) for first, second in zip(a, b, strict=True)]
    if one_seed(a) and one_seed(b):
        return paired_macro_difference(pairs, resamples, seed, test)
    if any(first.shape != second.shape for first, second in pairs):
        raise ValueError("paired arms must have the same questions")
    groups = [first - second for first, second in pairs]
    limited = all(np.abs(suite).max() <= 1 for arm in (a, b) for group in arm for suite in group)
    if _without_variation(groups, [a, b]):
        return paired_macro_difference(pairs, resamples, seed)
    variance = _variance(groups, [_seeds(a), _seeds(b)], (-1.0, 1.0) if limited else None)
    difference = _mean(groups)
    half = critical_t(variance.df) * math.sqrt(variance.value)
    low, high = difference - half, difference + half
    if limited:
        low, high = max(-1.0, low), min(1.0, high)
    return PairedDifference(
        difference, low, high, two_sided_p(difference / math.sqrt(variance.value), variance.df)
    )


def _question_means(group: Sequence[Suite]) -> Floats:
    """Returns the means over the seeds, (questions of the group,)."""
    if not group or any(suite.ndim != 2 or not suite.size for suite in group):
        raise ValueError("a group needs suites with at least one seed and one question")
    return np.concatenate([suite.mean(axis=0) for suite in group])


def _mean(groups: Sequence[Floats]) -> float:
    return sum(float(group.mean()) for group in groups) / len(groups)


def _without_variation(means: Sequence[Floats], arms: Sequence[Groups]) -> bool:
    """Whether the questions' values are equal within each group, and so are the means of an arm's seeds."""
    return all(map(is_constant, means)) and all(_seeds(arm).seeds <= 1e-24 for arm in arms)


def _variance(
    groups: Sequence[Floats], arms: Sequence[_Seeds], limits: tuple[float, float] | None
) -> Variance:
    """Returns the variance of the mean of the groups' means.

    `groups` are the questions' values, (questions of the group,); `limits` are the least and the greatest
    possible value.
    """
    count = len(groups)
    questions = sum(_of_questions(group, limits) for group in groups) / count**2
    rest = sum(arm.rest for arm in arms)
    seeds = max(sum(arm.seeds for arm in arms), LEAST_SEEDS * rest)
    own = max(0.0, questions - rest)
    freedom = max(1, sum(group.size - 1 for group in groups))
    uncertainty = seeds**2 / _seed_freedom(arms) + own**2 / freedom
    value = seeds + own
    return Variance(value, value**2 / uncertainty if uncertainty > 0 else freedom)


def _seed_freedom(arms: Sequence[_Seeds]) -> float:
    """Returns the degrees of freedom of the sum of the arms' variances between seeds.

    Satterthwaite's formula with equal variances in all arms: the sum of their seeds minus the number of arms
    if they have the same number of seeds.
    """
    parts = [(1 / arm.number, arm.number - 1) for arm in arms if arm.number > 1]
    return sum(share for share, _ in parts) ** 2 / sum(share**2 / df for share, df in parts)


def _of_questions(group: Floats, limits: tuple[float, float] | None) -> float:
    """Returns the variance of a group's mean (questions,) over its questions.

    Equal values have no variation. Their variance is then that of `constant_interval`.
    """
    if not is_constant(group):
        return float(group.var(ddof=1)) / group.size
    if limits is None:
        return 0.0
    value = float(group.mean())
    low, high = constant_interval(value, group.size, *limits)
    return (max(value - low, high - value) / Z) ** 2


def _seeds(groups: Groups) -> _Seeds:
    """Returns the variance of an arm's mean between seeds, and that of the rest.

    A seed's part in the mean is the sum of its parts on all suites, so the covariance between the suites
    counts. A suite with one seed has no part. The factor S / (S - 1) makes each suite's variance unbiased.
    """
    most = max(suite.shape[0] for group in groups for suite in group)
    parts = np.zeros(most)  # (seeds,)
    rest, counts = 0.0, []
    for group in groups:
        size = sum(suite.shape[1] for suite in group)
        for suite in group:
            seeds, questions = suite.shape
            if seeds < 2:
                continue
            counts.append(seeds)
            weight = questions / (size * len(groups))  # the suite's share of the mean
            means = suite.mean(axis=1)  # (seeds,)
            parts[:seeds] += weight * (means - means.mean()) / seeds * math.sqrt(seeds / (seeds - 1))
            if questions > 1:
                left = suite - means[:, None] - suite.mean(axis=0) + means.mean()  # (seeds, questions)
                square = float((left**2).sum()) / ((seeds - 1) * (questions - 1))
                rest += weight**2 * square / (seeds * questions)
    return _Seeds(float((parts**2).sum()), rest, min(counts, default=1))
