"""Intervals and paired tests over questions against approximations and definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.evaluation.statistics.resampling import (
    bootstrap_interval,
    macro_interval,
    macro_score_interval,
    paired_difference,
    paired_macro_difference,
    score_interval,
    sign_flip_p,
)

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_interval_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(5).normal(0.4, 0.3, 400)
    low, high = bootstrap_interval(values, 4000, 1)
    margin = 1.96 * values.std(ddof=1) / math.sqrt(values.size)
    assert low == pytest.approx(values.mean() - margin, abs=0.004)
    assert high == pytest.approx(values.mean() + margin, abs=0.004)


def test_interval_is_seeded_and_has_no_width_for_equal_values() -> None:
    values = [0.0, 1.0, 1.0, 0.5]
    assert bootstrap_interval(values, 500, 3) == bootstrap_interval(values, 500, 3)
    assert bootstrap_interval([1.0] * 7, 100, 3) == (1.0, 1.0)
    assert bootstrap_interval([0.3], 100, 3) == pytest.approx((0.3, 0.3))


def test_no_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_interval([], 100, 1)


def test_many_questions_are_resampled_in_batches() -> None:
    assert bootstrap_interval(np.ones(5_000_000), 2, 1) == (1.0, 1.0)


def test_sign_flips_by_hand() -> None:
    # Of the 8 sign patterns of (1, 1, 1), two have a mean of absolute value 1.
    assert sign_flip_p([1, 1, 1], 20_000, 1) == pytest.approx(0.25, abs=0.01)
    assert sign_flip_p([1, -1], 1000, 1) == 1
    assert sign_flip_p([0, 0, 0], 1000, 1) == 1
    assert sign_flip_p([1] * 40, 999, 1) == pytest.approx(0.001)


def test_paired_difference() -> None:
    a, b = [1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.5]
    found = paired_difference(a, b, 1000, 2)
    assert found.difference == pytest.approx(0.375)
    assert found.low <= 0.375 <= found.high
    back = paired_difference(b, a, 1000, 2)
    assert (back.difference, back.low, back.high, back.p) == pytest.approx(
        (-0.375, -found.high, -found.low, found.p)
    )
    with pytest.raises(ValueError, match="equal lengths, not 1 and 2"):
        paired_difference([1.0], [1.0, 2.0], 100, 1)
    with pytest.raises(ValueError, match="at least one"):
        paired_macro_difference([], 100, 1)


def test_the_bootstrap_of_shifted_differences() -> None:
    def bootstrap_p(differences: Sequence[float], resamples: int) -> float:
        zeros = np.zeros(len(differences))
        return paired_difference(differences, zeros, resamples, 1, "bootstrap").p

    assert bootstrap_p([0, 0, 0], 500) == 1
    assert bootstrap_p([1, -1], 500) == 1
    assert bootstrap_p([1] * 10, 999) == pytest.approx(0.001)  # shifted to mean 0, all differences are 0
    values = np.random.default_rng(3).normal(0.03, 0.3, 400)
    z = values.mean() / (values.std() / math.sqrt(400))
    assert bootstrap_p(list(values), 20_000) == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=0.01)
    assert bootstrap_p(list(values), 20_000) == pytest.approx(sign_flip_p(values, 20_000, 1), abs=0.02)


def test_the_mean_of_suites_weighs_suites_and_not_questions() -> None:
    big, small = ([1.0] * 90, [0.0] * 90), ([0.0] * 10, [1.0] * 10)
    found = paired_macro_difference([big, small], 500, 1)
    assert (found.difference, found.p) == (0, 1)
    # 90 and 10 equal differences: Wilson's bounds, combined; a bootstrap has no width here.
    assert (found.low, found.high) == pytest.approx((-0.0409, 0.2775), abs=3e-4)
    assert paired_difference(big[0] + small[0], big[1] + small[1], 500, 1).p < 0.01
    assert macro_interval([[1.0] * 5, [0.0] * 50], 200, 1) == (0.5, 0.5)


@settings(max_examples=40)
@given(SCORES, st.sampled_from(["permutation", "bootstrap"]))
def test_one_suite_is_its_own_mean(values: list[float], test: str) -> None:
    zeros = [0.0] * len(values)
    assert macro_interval([values], 100, 5) == bootstrap_interval(values, 100, 5)
    assert paired_macro_difference([(values, zeros)], 100, 5, test) == paired_difference(
        values, zeros, 100, 5, test
    )  # type: ignore[arg-type]
    twice = paired_macro_difference([(values, zeros)] * 2, 100, 5, test)  # type: ignore[arg-type]
    assert twice.difference == pytest.approx(np.mean(values))
    assert 0 < twice.p <= 1
    assert -1 <= twice.low <= twice.difference + 1e-9
    assert twice.difference - 1e-9 <= twice.high <= 1
    if max(values) - min(values) > 1e-12:
        assert min(values) - 1e-9 <= twice.low <= twice.high <= max(values) + 1e-9
    else:
        assert twice.low < twice.high


def test_scores_never_have_an_interval_without_width() -> None:
    assert score_interval([0.0] * 60, 100, 1) == pytest.approx((0.0, 0.0602), abs=1e-4)
    assert score_interval([1.0] * 60, 100, 1) == pytest.approx((0.9398, 1.0), abs=1e-4)
    # Shares have Wilson's interval: 8 of 10, an example of Newcombe's.
    assert score_interval([1.0] * 8 + [0.0] * 2, 100, 1) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    # Graded scores keep the bootstrap, unless all are equal.
    graded = [0.0, 0.2, 0.9, 1.0]
    assert score_interval(graded, 500, 3) == bootstrap_interval(graded, 500, 3)
    low, high = score_interval([0.5] * 60, 100, 1)
    assert (low, high) == pytest.approx((0.5 - 0.0301, 0.5 + 0.0301), abs=1e-4)
    # Counts are no scores.
    assert score_interval([3.0, 3.0], 100, 1) == (3.0, 3.0)


def test_the_mean_of_suites_with_equal_scores_has_a_width() -> None:
    # MOVER of two Wilson intervals: half of the square root of the sum of squares.
    low, high = macro_score_interval([[0.0] * 60, [0.0] * 60], 100, 1)
    assert (low, high) == pytest.approx((0.0, 0.0602 * 2**0.5 / 2), abs=1e-4)
    graded, zeros = [0.1, 0.5, 0.9, 0.3], [0.0] * 60
    low, high = macro_score_interval([graded, zeros], 500, 1)
    alone = bootstrap_interval(graded, 500, 1)
    assert low == pytest.approx((0.45 - (0.45 - alone[0])) / 2)
    assert high > alone[1] / 2
    assert macro_score_interval([graded, [0.2, 0.7]], 500, 1) == macro_interval([graded, [0.2, 0.7]], 500, 1)


def test_equal_differences_have_a_width() -> None:
    none = paired_difference([1.0] * 60, [1.0] * 60, 200, 1)
    assert (none.difference, none.p) == (0, 1)
    assert (none.low, none.high) == pytest.approx((-0.0602, 0.0602), abs=1e-4)
    every = paired_difference([1.0] * 60, [0.0] * 60, 200, 1)
    assert (every.low, every.high) == pytest.approx((1 - 2 * 0.0602, 1.0), abs=1e-4)
    counts = paired_difference([5.0] * 10, [2.0] * 10, 200, 1)
    assert (counts.low, counts.high) == (3.0, 3.0)
