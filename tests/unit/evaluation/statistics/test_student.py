"""Student's t against tables."""

from __future__ import annotations

import math

import pytest

from masksearch.evaluation.statistics.student import critical_t, two_sided_p


@pytest.mark.parametrize(
    ("df", "t"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (10, 2.2281), (120, 1.9799), (1e9, 1.9600)]
)
def test_critical_values_of_tables(df: float, t: float) -> None:
    assert critical_t(df) == pytest.approx(t, abs=1e-4)
    assert two_sided_p(critical_t(df), df) == pytest.approx(0.05)
    assert two_sided_p(-t, df) == pytest.approx(0.05, abs=1e-5)


def test_closed_forms() -> None:
    # Cauchy for 1 degree of freedom; for 2, p = 1 - t / sqrt(2 + t^2).
    for t in (0.1, 1.0, 3.0, 50.0):
        assert two_sided_p(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(t))
        assert two_sided_p(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert two_sided_p(0.0, 3.5) == 1
    assert two_sided_p(math.inf, 3.5) == 0
    assert 0 < two_sided_p(200.0, 4) < 1e-8


def test_a_fraction_of_degrees_lies_between() -> None:
    assert critical_t(5) < critical_t(4.5) < critical_t(4)
    assert critical_t(999_999) == pytest.approx(critical_t(1_000_001), abs=1e-5)
