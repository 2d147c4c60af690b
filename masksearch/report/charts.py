"""Draws charts as inline SVG, so that the page needs no library.

The colours come from the page's style sheet (classes s0 to s5). All sizes are in SVG units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from masksearch.evaluation.curves.axis import ticks
from masksearch.evaluation.tables import percent, with_interval

WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 34
COLOURS = 6
Points = Sequence[tuple[float, float]]


class Interval(NamedTuple):
    """One row of an interval plot: a value with its interval [low, high], all in [0, 1].

    `colour` is the number of a colour class, from 0 to 5.
    """

    label: str
    value: float
    low: float
    high: float
    colour: int


def line_chart(
    series: Sequence[tuple[str, Points]], x_label: str, y_range: tuple[float, float] | None = None
) -> Markup:
    """Draws one line for each series; the x-axis has the training steps.

    `series` is [(name, [(x, y), ...]), ...] with finite values. Without `y_range` the y-axis is fitted to
    the values. Returns empty Markup if no series has a point.
    """
    drawn = [(name, points) for name, points in series if points]
    if not drawn:
        return Markup("")
    xs, ys = [x for _, points in drawn for x, _ in points], [y for _, points in drawn for _, y in points]
    x_low, x_high = _widened(min(xs), max(xs), 0.0)
    y_ticks = ticks(*(y_range or _widened(min(ys), max(ys), 0.05)))
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        """Converts the data coordinates of a point to SVG coordinates."""
        return (
            LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM),
        )

    parts = []
    for value in y_ticks:
        y = place(x_low, value)[1]
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_figure(value)}</text>'
        )
    for value in ticks(x_low, x_high):
        # Steps are integers, so a fractional tick is drawn only if the whole axis is shorter than one step.
        if not x_low <= value <= x_high or (value != round(value) and x_high - x_low >= 1):
            continue
        x = place(value, y_low)[0]
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{_figure(value)}</text>"
        )
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{escape(x_label)}</text>'
    )
    for index, (name, points) in enumerate(drawn):
        parts.append(_line(name, [(x, y, *place(x, y)) for x, y in points], index % COLOURS))
    return _svg(parts, HEIGHT, ", ".join(name for name, _ in drawn))


def _line(name: str, points: Sequence[tuple[float, float, float, float]], colour: int) -> str:
    """Draws one series of a line chart: a line with a dot at every point.

    Each point is (x, y, SVG x, SVG y). The tooltip of a dot shows x and y.
    """
    path = " ".join(f"{px:.1f},{py:.1f}" for _, _, px, py in points)
    radius = 3 if len(points) <= 40 else 1.6
    dots = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius}">'
        f"<title>{escape(name)}: {_figure(y)} at {_figure(x)}</title></circle>"
        for x, y, px, py in points
    )
    return f'<g class="line s{colour}"><polyline points="{path}"/>{dots}</g>'


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
            f"{_figure(value)}</text>"
        )
    y = TOP + row_height / 2
    for heading, intervals in groups:
        parts.append(f'<text class="heading" x="0" y="{y + 4:.1f}">{escape(heading)}</text>')
        y += row_height
        for row in intervals:
            parts.append(_interval_row(row, place(row.low), place(row.value), place(row.high), y, left))
            y += row_height
    return _svg(parts, height, "F1 (%) with 95% intervals", width)


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


def _widened(low: float, high: float, share: float) -> tuple[float, float]:
    """Returns the range [low, high], extended at both ends by `share` of its length.

    A range of length 0 gets the length 1, because the axis divides by the length.
    """
    if high <= low:
        return low - 0.5, high + 0.5
    return low - share * (high - low), high + share * (high - low)


def _figure(value: float) -> str:
    return f"{value:.4g}"


def _svg(parts: Sequence[str], height: float, label: str, width: int = WIDTH) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )
