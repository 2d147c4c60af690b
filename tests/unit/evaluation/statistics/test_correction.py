"""Corrections of p values against definitions and published examples."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.evaluation.statistics.correction import adjust, least_adjusted_p

PS = st.lists(st.floats(0, 1), min_size=1, max_size=6)


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
