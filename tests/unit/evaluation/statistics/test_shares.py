"""Closed intervals against published values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.evaluation.statistics.shares import (
    Bounds,
    constant_interval,
    is_constant,
    is_shares,
    mean_of_bounds,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # The examples of this project.
        (0, 60, 0.0, 0.0602),
        (60, 60, 0.9398, 1.0),
    ],
)
def test_wilson(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right / n, n) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 500), st.data())
def test_wilson_contains_the_share_and_mirrors(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    low, high = wilson_interval(right / n, n)
    assert 0 <= low <= right / n <= high <= 1
    assert low < high
    assert wilson_interval(1 - right / n, n) == pytest.approx((1 - high, 1 - low))


def test_wilson_needs_questions() -> None:
    with pytest.raises(ValueError, match="positive number of questions, not 0"):
        wilson_interval(0.0, 0)


def test_equal_scores_of_0_or_1_have_wilsons_interval() -> None:
    assert constant_interval(0.0, 60) == pytest.approx(wilson_interval(0.0, 60))
    assert constant_interval(1.0, 60) == pytest.approx(wilson_interval(1.0, 60))
    assert constant_interval(0.25, 60) == pytest.approx((0.25 * 0.9398, 0.25 + 0.0602 * 0.75), abs=1e-4)


def test_kinds_of_columns() -> None:
    assert is_shares(np.array([0.0, 1.0]))
    assert not is_shares(np.array([0.0, 0.5]))
    assert is_constant(np.array([0.3, 0.1 + 0.2]))
    assert not is_constant(np.array([0.3, 0.4]))


def test_bounds_of_a_mean() -> None:
    one = Bounds(0.5, 0.4, 0.7)
    assert mean_of_bounds([one]) == pytest.approx((0.4, 0.7))
    assert mean_of_bounds([one, Bounds(0.1, 0.1, 0.1)]) == pytest.approx((0.3 - 0.05, 0.3 + 0.1))
