"""Draws curves over training steps."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from masksearch.evaluation.curves.axis import ticks
from masksearch.report.charts.svg import COLOURS, figure, svg

WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 34
Points = Sequence[tuple[float, float]]


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
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{figure(value)}</text>'
        )
    for value in ticks(x_low, x_high):
        # Steps are integers, so a fractional tick is drawn only if the whole axis is shorter than one step.
        if not x_low <= value <= x_high or (value != round(value) and x_high - x_low >= 1):
            continue
        x = place(value, y_low)[0]
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{figure(value)}</text>"
        )
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{escape(x_label)}</text>'
    )
    for index, (name, points) in enumerate(drawn):
        parts.append(_line(name, [(x, y, *place(x, y)) for x, y in points], index % COLOURS))
    return svg(parts, WIDTH, HEIGHT, ", ".join(name for name, _ in drawn))


def _line(name: str, points: Sequence[tuple[float, float, float, float]], colour: int) -> str:
    """Draws one series of a line chart: a line with a dot at every point.

    Each point is (x, y, SVG x, SVG y). The tooltip of a dot shows x and y.
    """
    path = " ".join(f"{px:.1f},{py:.1f}" for _, _, px, py in points)
    radius = 3 if len(points) <= 40 else 1.6
    dots = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius}">'
        f"<title>{escape(name)}: {figure(y)} at {figure(x)}</title></circle>"
        for x, y, px, py in points
    )
    return f'<g class="line s{colour}"><polyline points="{path}"/>{dots}</g>'


def _widened(low: float, high: float, share: float) -> tuple[float, float]:
    """Returns the range [low, high], extended at both ends by `share` of its length.

    A range of length 0 gets the length 1, because the axis divides by the length.
    """
    if high <= low:
        return low - 0.5, high + 0.5
    return low - share * (high - low), high + share * (high - low)
