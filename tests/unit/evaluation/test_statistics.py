"""Intervals, paired tests and corrections against approximations, definitions and published examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.evaluation.statistics.correction import adjust, least_adjusted_p
from masksearch.evaluation.statistics.resampling import (
    bootstrap_interval,
    macro_interval,
    paired_difference,
    paired_macro_difference,
    sign_flip_p,
)

PS = st.lists(st.floats(0, 1), min_size=1, max_size=6)
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
    if len(set(values)) > 1:
        assert min(values) - 1e-9 <= twice.low <= twice.high <= max(values) + 1e-9
    else:
        assert twice.low < twice.high


def test_corrections_worked_by_hand() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    # 0.005 x 4, 0.01 x 3, 0.03 x 2; the last, 0.04 x 1, is raised to the one before it
    assert adjust(p, "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # 0.04 x 4/4, 0.03 x 4/3, 0.01 x 4/2, 0.005 x 4/1
    assert adjust(p, "benjamini-hochberg") == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert adjust(p, "none") == p
    assert adjust([], "holm") == []
    assert adjust([0.9, 0.8], "holm") == [1, 1]
    assert adjust([0.2], "benjamini-hochberg") == [0.2]


def test_the_example_of_benjamini_and_hochberg() -> None:
    """Of the 15 p values in section 3.2 of their paper (1995), their procedure rejects four at 0.05.

    Bonferroni's and Holm's procedures reject three.
    """
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert sum(value <= 0.05 for value in adjust(p, "benjamini-hochberg")) == 4
    assert sum(value <= 0.05 for value in adjust(p, "holm")) == 3
    assert adjust(p, "holm")[3] == pytest.approx(0.0095 * 12)
    assert adjust(p, "benjamini-hochberg")[3] == pytest.approx(0.0095 * 15 / 4)


@given(PS)
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """By definition, a hypothesis has the largest Bonferroni p of all sets of hypotheses that contain
    it."""
    places = range(len(p))
    sets = [chosen for size in places for chosen in combinations(places, size + 1)]
    expected = [
        max(min(1, len(chosen) * min(p[i] for i in chosen)) for chosen in sets if place in chosen)
        for place in places
    ]
    assert adjust(p, "holm") == pytest.approx(expected)


@given(PS)
def test_benjamini_hochberg_is_the_least_level_at_which_the_procedure_rejects(p: list[float]) -> None:
    count, order = len(p), sorted(p)

    def rejected(value: float, level: float) -> bool:
        largest = max(
            (rank for rank in range(1, count + 1) if order[rank - 1] <= rank / count * level * (1 + 1e-12)),
            default=0,
        )
        return largest > 0 and value <= order[largest - 1]

    levels = sorted({1.0, *(min(1.0, value * count / rank) for rank, value in enumerate(order, 1))})
    expected = [next(level for level in levels if rejected(value, level)) for value in p]
    assert adjust(p, "benjamini-hochberg") == pytest.approx(expected)


@given(PS, st.sampled_from(["holm", "benjamini-hochberg", "none"]))
def test_corrections_keep_the_order_and_never_lower_a_p(p: list[float], correction: str) -> None:
    adjusted = adjust(p, correction)  # type: ignore[arg-type]
    assert all(raw <= new <= 1 for raw, new in zip(p, adjusted, strict=True))
    pairs = sorted(zip(p, adjusted, strict=True))
    assert all(first[1] <= second[1] for first, second in pairwise(pairs))


def test_the_least_p_that_resampling_can_give() -> None:
    assert least_adjusted_p(99, 3, "holm") == pytest.approx(0.03)
    assert least_adjusted_p(99, 3, "none") == pytest.approx(0.01)
    assert least_adjusted_p(99, 300, "benjamini-hochberg") == 1
