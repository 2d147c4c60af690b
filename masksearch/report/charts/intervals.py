"""Draws scores with their 95% intervals, one row for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from masksearch.evaluation.curves.axis import ticks
from masksearch.evaluation.tables import percent, with_interval
from masksearch.report.charts.svg import COLOURS, figure, svg

TOP, BOTTOM = 14, 34


class Interval(NamedTuple):
    """One row of an interval plot: a value with its interval [low, high], all in [0, 1].

    `colour` is the number of a colour class, from 0 to 5.
    """

    label: str
    value: float
    low: float
    high: float
    colour: int


def interval_chart(groups: Sequence[tuple[str, Sequence[Interval]]]) -> Markup:
    """Draws one row for each value: a dot with its 95% interval, on a scale from 0 to 100%.

    `groups` is [(heading, rows), ...]; each heading is drawn above its rows.
    """
    rows = sum(1 + len(intervals) for _, intervals in groups)
    left, width, row_height = 262, 820, 22
    height = TOP + rows * row_height + BOTTOM

    def place(value: float) -> float:
        return left + min(1.0, max(0.0, value)) * (width - left - 60)

    parts = []
    for value in ticks(0.0, 100.0):
        x = place(value / 100)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">'
            f"{figure(value)}</text>"
        )
    y = TOP + row_height / 2
    for heading, intervals in groups:
        parts.append(f'<text class="heading" x="0" y="{y + 4:.1f}">{escape(heading)}</text>')
        y += row_height
        for row in intervals:
            parts.append(_interval_row(row, place(row.low), place(row.value), place(row.high), y, left))
            y += row_height
    return svg(parts, width, height, "F1 (%) with 95% intervals")


def _interval_row(row: Interval, low: float, middle: float, high: float, y: float, left: int) -> str:
    name = row.label if len(row.label) <= 34 else row.label[:33] + "…"
    figures = with_interval(row.value, (row.low, row.high))
    return (
        f'<g class="interval s{row.colour % COLOURS}"><title>{escape(row.label)}: {figures}</title>'
        f'<text class="label" x="{left - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="5"/>'
        f'<text class="value" x="{high + 10:.1f}" y="{y + 4:.1f}">{percent(row.value)}</text></g>'
    )
