"""Draws paired differences with their intervals around a zero line: a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from masksearch.evaluation.curves.axis import ticks
from masksearch.report.charts.rows import MIDDLE, Axis, PlotRow, plot


class Compared(NamedTuple):
    """One row of a forest plot: a difference with its interval, in the unit of the axis."""

    name: str
    against: str
    """What is subtracted, and the number of questions: `over base, n 60`."""
    value: float
    low: float
    high: float
    p: str
    """The p value as text."""
    shown: bool
    """Whether the test shows a difference."""


def forest_chart(groups: Sequence[tuple[str, Sequence[Compared]]], unit: str) -> Markup:
    """Draws one row for each difference, below the headings of their groups.

    `groups` is [(heading, rows), ...]. A shown difference has a filled dot and a solid line, any other one a
    hollow dot and a dashed line; the verdict is written beside it. `unit` is that of the axis.
    """
    bounds = [bound for _, rows in groups for row in rows for bound in (row.low, row.high, row.value)]
    values = ticks(min(0.0, *bounds), max(0.0, *bounds)) if any(bounds) else [-1.0, 0.0, 1.0]
    axis = Axis(values, unit, signed=True)
    return plot([(heading, [_row(row, axis) for row in rows]) for heading, rows in groups], axis)


def _row(row: Compared, axis: Axis) -> PlotRow:
    low, middle, high = (axis.place(value) for value in (row.low, row.value, row.high))
    drawing = (
        f'<line class="bar" x1="{low:.2f}%" x2="{high:.2f}%" y1="{MIDDLE}" y2="{MIDDLE}"/>'
        f'<circle cx="{middle:.2f}%" cy="{MIDDLE}" r="5.5"/>'
    )
    # Adding 0.0 turns a negative zero into a positive zero, so that "-0.0" is never shown.
    value, *bounds = (f"{round(one, 1) + 0.0:+.1f}" for one in (row.value, row.low, row.high))
    return PlotRow(
        f"pair {'shown' if row.shown else 'open'}",
        row.name,
        row.against,
        drawing,
        f"{value} [{', '.join(bounds)}]",
        f"{'shown' if row.shown else 'not shown'}, p {row.p}",
    )
