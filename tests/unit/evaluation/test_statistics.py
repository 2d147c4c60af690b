"""Intervals and paired tests, on small numbers and against the normal approximation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from masksearch.evaluation.statistics import bootstrap_interval, paired_difference, sign_flip_p, standard_error


def test_standard_error() -> None:
    assert standard_error([1, 2, 3, 4]) == pytest.approx(math.sqrt(5 / 3) / 2)
    assert math.isnan(standard_error([1]))


def test_interval_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(5).normal(0.4, 0.3, 400)
    low, high = bootstrap_interval(values, 4000, 1)
    margin = 1.96 * standard_error(values)
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


def test_many_questions_are_resampled_in_rounds() -> None:
    assert bootstrap_interval(np.ones(5_000_000), 2, 1) == (1.0, 1.0)


def test_sign_flips_by_hand() -> None:
    # of the 8 sign patterns of (1, 1, 1), two have a mean of size 1
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
    assert (back.difference, back.low, back.high, back.p) == pytest.approx((-0.375, -found.high, -found.low, found.p))
    with pytest.raises(ValueError, match="equally many"):
        paired_difference([1.0], [1.0, 2.0], 100, 1)
