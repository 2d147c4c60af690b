"""Interval plots and forest plots: places, marks, and texts."""

from __future__ import annotations

import re

import pytest

from masksearch.report.charts.forest import Compared, forest_chart
from masksearch.report.charts.intervals import Interval, interval_chart
from masksearch.report.charts.rows import Axis

HOSTILE = "</svg><script>alert(1)</script>\u202e"


def items(drawing: str) -> list[str]:
    return re.findall(r"<li .*?</li>", drawing)


def places(item: str, kind: str) -> list[str]:
    """Returns the horizontal places of the circles of a class ('' for those without one)."""
    wanted = f'class="{kind}" ' if kind else ""
    return re.findall(rf'<circle {wanted}cx="([\d.]+)%"', item)


def test_axis_places() -> None:
    axis = Axis([-20.0, 0.0, 20.0, 40.0], "points", signed=True)
    assert [round(axis.place(value), 2) for value in (-20, 0, 40, 90, -90)] == [0, 33.33, 100, 100, 0]
    assert axis.grid().count('class="zero"') == 1
    assert Axis([0.0, 50.0, 100.0], "%").grid().count('class="zero"') == 0
    assert re.findall(r">([^<>]+)</text>", axis.drawing()) == ["-20", "0", "+20", "+40"]


def test_a_score_with_its_interval() -> None:
    (item,) = items(interval_chart([("S (n = 9)", [Interval("m", 0.5, 0.4, 0.6, 7)])]))
    assert 'class="interval s1"' in item
    assert 'x1="40.00%" x2="60.00%"' in item
    assert places(item, "") == ["50.00"]
    assert "<b>50.0 [40.0, 60.0]</b>" in item
    (bare,) = items(interval_chart([("S", [Interval("m", 0.5, 0.5, 0.5, 0)])]))
    assert "<b>50.0</b>" in bare


def test_seeds_are_dots() -> None:
    (item,) = items(interval_chart([("S", [Interval("m", 0.3, 0.1, 0.5, 0, (0.2, 0.3, 0.4))])]))
    assert places(item, "seed") == ["20.00", "30.00", "40.00"]
    assert "seeds 20.0, 30.0, 40.0" in item


def test_shown_and_not_shown_differ_by_class_and_by_words() -> None:
    rows = [
        Compared("a", "over b, n 60", 20.0, 10.0, 30.0, "0.002", True),
        Compared("c", "over b, n 60", -5.0, -20.0, 10.0, "0.300", False),
    ]
    drawing = forest_chart([("S", rows)], "percentage points")
    first, second = items(drawing)
    assert 'class="pair shown"' in first
    assert "<b>+20.0 [+10.0, +30.0]</b> <small>shown, p 0.002</small>" in first
    assert 'class="pair open"' in second
    assert "<b>-5.0 [-20.0, +10.0]</b> <small>not shown, p 0.300</small>" in second
    # The axis runs from -20 to +30: zero is at 40%.
    assert 'class="zero" x1="40.00%"' in first
    assert places(first, "") == ["80.00"]
    assert places(second, "") == ["30.00"]


@pytest.mark.parametrize("value", [0.0, 0.04])
def test_no_difference_is_drawn_on_the_zero_line(value: float) -> None:
    (item,) = items(forest_chart([("S", [Compared("a", "", value, 0.0, value, "1.000", False)])], "points"))
    assert "-0.0" not in item
    assert "nan" not in item


def test_hostile_names_stay_texts() -> None:
    row = Compared(HOSTILE, f"over {HOSTILE}", 1.0, 0.0, 2.0, "0.5", False)
    for drawing in (
        forest_chart([(HOSTILE, [row])], HOSTILE),
        interval_chart([(HOSTILE, [Interval(HOSTILE, 0.5, 0.4, 0.6, 0)])]),
    ):
        assert "<script>" not in drawing
        assert "\u202e" not in drawing
        assert "&lt;script&gt;" in drawing
        assert "⟨U+202E⟩" in drawing
