"""Draws scores with their 95% intervals, one row for each; the values of single seeds are dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from masksearch.evaluation.curves.axis import ticks
from masksearch.evaluation.tables import percent, with_interval
from masksearch.report.charts.rows import MIDDLE, Axis, PlotRow, plot
from masksearch.report.charts.svg import COLOURS

AXIS = Axis(ticks(0.0, 100.0), "%")
BELOW = 10
"""Distance of the dots of seeds from the interval, in pixels."""


class Interval(NamedTuple):
    """One row of an interval plot: a value with its interval [low, high], all in [0, 1].

    `colour` is the number of a colour class, from 0 to 5. Without an interval both limits are the value.
    """

    label: str
    value: float
    low: float
    high: float
    colour: int
    seeds: tuple[float, ...] = ()
    """The values of the single training seeds; empty for one seed."""


def interval_chart(groups: Sequence[tuple[str, Sequence[Interval]]]) -> Markup:
    """Draws one row for each value: a dot with its 95% interval, on a scale from 0 to 100%.

    `groups` is [(heading, rows), ...]; each heading is drawn above its rows.
    """
    return plot([(heading, [_row(row) for row in rows]) for heading, rows in groups], AXIS)


def _row(row: Interval) -> PlotRow:
    low, middle, high = (AXIS.place(100 * value) for value in (row.low, row.value, row.high))
    seeds = "".join(
        f'<circle class="seed" cx="{AXIS.place(100 * value):.2f}%" cy="{MIDDLE + BELOW}" r="3"/>'
        for value in row.seeds
    )
    drawing = (
        f'<line class="bar" x1="{low:.2f}%" x2="{high:.2f}%" y1="{MIDDLE}" y2="{MIDDLE}"/>'
        f'<circle cx="{middle:.2f}%" cy="{MIDDLE}" r="5"/>{seeds}'
    )
    known = row.low != row.value or row.high != row.value
    figures = with_interval(row.value, (row.low, row.high) if known else None)
    note = f"seeds {', '.join(map(percent, row.seeds))}" if row.seeds else ""
    return PlotRow(f"interval s{row.colour % COLOURS}", row.label, "", drawing, figures, note)
