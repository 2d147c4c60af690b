"""Draws curves as SVG: a panel for each measure, one line for each list of arms, labelled at its end.

`standalone` returns a file with its own style, for light and dark pages; `inline` the same drawing for the
report, whose style sheet has the colours (classes s0 to s5). All sizes are in SVG units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from masksearch.evaluation.compare.formatting import is_score, metric_name
from masksearch.evaluation.curves.axis import positions, spread, ticks

Values = Mapping[str, Any]
COLOURS = 6
PLOT_WIDTH, PLOT_HEIGHT = 300, 220
LEFT, TOP, BOTTOM, GAP = 46, 34, 46, 20
INSET = 16
"""Distance of the first and last point from the edges of the plot."""
LETTER, BOLD, BIG = 6.4, 7.6, 9.0
"""Width of a letter of a tick, of a label and of the title, roughly."""
LONGEST = 30
"""Letters of a label; longer names are cut, and are whole in the tooltip."""
LINE_HEIGHT = 15
DODGE = 5
"""Horizontal distance of two lines' points at the same number, so that their intervals do not overlap."""
STYLE = """
  svg { color-scheme: light dark; }
  .page { fill: #ffffff; } .grid { stroke: #dde2ea; stroke-width: 1; }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1c2330; }
  .title { font-size: 15px; font-weight: 600; } .heading { font-weight: 600; }
  .tick { font-size: 11px; fill: #566071; }
  .curve polyline { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
  .curve circle { fill: currentColor; } .curve .name { fill: currentColor; font-weight: 600; }
  .curve .whisker { stroke: currentColor; stroke-width: 1.5; opacity: 0.55; fill: none; }
  .curve .leader { stroke: currentColor; stroke-width: 1.2; stroke-dasharray: 1 4; opacity: 0.7; fill: none; }
  .s0 { color: #2563c9; } .s1 { color: #b9560f; } .s2 { color: #1b7a46; }
  .s3 { color: #8a46b8; } .s4 { color: #b3243f; } .s5 { color: #55708a; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #12151b; } .grid { stroke: #303846; } text { fill: #e4e8ef; } .tick { fill: #a0aabb; }
    .s0 { color: #79a7ff; } .s1 { color: #f2a15f; } .s2 { color: #66cf95; }
    .s3 { color: #c794f0; } .s4 { color: #f0849a; } .s5 { color: #a3b8cc; }
  }
"""
"""Style of a file; the report's style sheet has the same classes."""


class _Frame(NamedTuple):
    """The plot of one panel: its place, the axes, and the colours of its lines."""

    left: float
    top: float
    x: Mapping[float, float]
    """Number -> place from 0 to 1."""
    low: float
    high: float
    factor: float
    """100 for scores, which are shown in percent; 1 for other measures."""
    lines: Sequence[str]
    """Names of all lines of the curve, in the order of their colours."""

    def across(self, x: float) -> float:
        """Returns the SVG coordinate of a number on the x axis."""
        return self.left + INSET + self.x[x] * (PLOT_WIDTH - 2 * INSET)

    def down(self, value: float) -> float:
        """Returns the SVG coordinate of a value, given in the unit of the results."""
        share = (value * self.factor - self.low) / (self.high - self.low)
        return self.top + PLOT_HEIGHT * (1 - min(1.0, max(0.0, share)))


def standalone(curves: Sequence[Values]) -> str:
    """Returns an SVG file of one curve: `curves` has its values, one object for each suite."""
    parts, width, height = _draw(curves)
    title = _title(curves[0])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(_words(curves))}</desc>\n<style>{STYLE}</style>\n"
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}" rx="8"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def inline(curves: Sequence[Values]) -> Markup:
    """Returns the drawing of one curve for an HTML page with our style sheet."""
    parts, width, height = _draw(curves)
    label = escape(f"{_title(curves[0])}. {_words(curves)}")
    return Markup(
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="width: {width:.0f}px" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )


def _title(curve: Values) -> str:
    metrics = " and ".join(metric_name(panel["metric"]) for panel in curve["panels"])
    title = curve["title"] or f"{metrics} against {curve['x']}"
    return str(title[:1].upper() + title[1:])


def _words(curves: Sequence[Values]) -> str:
    """Returns the values in words, for people who do not see the drawing."""
    sentences = []
    for curve in curves:
        for panel in curve["panels"]:
            factor = 100.0 if is_score(panel["metric"]) else 1.0
            for line in panel["lines"]:
                points = ", ".join(
                    f"{point['x']:g}: {factor * point['value']:.1f}" for point in line["points"]
                )
                sentences.append(f"{_heading(panel['metric'])}, {curve['suite']}, {line['name']}: {points}.")
    return " ".join(sentences)


def _heading(metric: str) -> str:
    name = metric_name(metric)
    return name[:1].upper() + name[1:]


def _draw(curves: Sequence[Values]) -> tuple[list[str], float, float]:
    """Returns the drawing's elements, its width and its height: a row for each suite, a column for each
    measure."""
    names = list(
        dict.fromkeys(
            line["name"] for curve in curves for panel in curve["panels"] for line in panel["lines"]
        )
    )
    label_width = 14 + BOLD * min(LONGEST, max(map(len, names)))
    column = LEFT + PLOT_WIDTH + label_width + GAP
    row = TOP + PLOT_HEIGHT + BOTTOM
    head = 34
    panels = max(len(curve["panels"]) for curve in curves)
    width = max(panels * column, 28 + BIG * len(_title(curves[0])))
    height = head + len(curves) * row + 22
    parts = [f'<text class="title" x="14" y="24">{escape(_title(curves[0]))}</text>']
    for down, curve in enumerate(curves):
        xs = sorted(
            {point["x"] for panel in curve["panels"] for line in panel["lines"] for point in line["points"]}
        )
        places = positions(xs, curve["scale"] == "ratio")
        for across, panel in enumerate(curve["panels"]):
            frame = _frame(panel, column * across + LEFT, head + down * row + TOP, places, names)
            parts += _panel(frame, panel, curve, xs)
    parts.append(f'<text class="tick" x="14" y="{height - 10:.0f}">{escape(_note(curves))}</text>')
    return parts, width, height


def _frame(
    panel: Values, left: float, top: float, places: Mapping[float, float], names: Sequence[str]
) -> _Frame:
    factor = 100.0 if is_score(panel["metric"]) else 1.0
    points = [point for line in panel["lines"] for point in line["points"]]
    low = factor * min(point["low"] for point in points)
    high = factor * max(point["high"] for point in points)
    if high <= low:
        low, high = low - 1, high + 1
    # An axis that nearly starts at 0 starts there, so that heights can be compared.
    axis = ticks(0.0 if 0 <= low < 0.4 * high else low, high)
    return _Frame(left, top, places, axis[0], axis[-1], factor, names)


def _panel(frame: _Frame, panel: Values, curve: Values, xs: Sequence[float]) -> list[str]:
    unit = " (%)" if frame.factor == 100.0 else ""
    right, bottom = frame.left + PLOT_WIDTH, frame.top + PLOT_HEIGHT
    parts = [
        f'<text class="heading" x="{frame.left:.0f}" y="{frame.top - 12:.0f}">'
        f"{escape(_heading(panel['metric']) + unit)}, {escape(curve['suite'])}</text>"
    ]
    for value in ticks(frame.low, frame.high):
        y = frame.down(value / frame.factor)
        parts.append(
            f'<line class="grid" x1="{frame.left:.0f}" x2="{right:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{frame.left - 6:.0f}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    end = -1e9
    for x in xs:
        text, place = f"{x:,.10g}", frame.across(x)
        half = LETTER * len(text) / 2
        if place - half > end + 4:
            parts.append(
                f'<text class="tick" x="{place:.1f}" y="{bottom + 17:.0f}" text-anchor="middle">{text}</text>'
            )
            end = place + half
    middle = frame.left + PLOT_WIDTH / 2
    parts.append(
        f'<text class="tick" x="{middle:.0f}" y="{bottom + 34:.0f}" text-anchor="middle">'
        f"{escape(curve['x'])}</text>"
    )
    ends = [frame.down(line["points"][-1]["value"]) for line in panel["lines"]]
    labels = spread(ends, LINE_HEIGHT, frame.top + 4, bottom)
    for line, label in zip(panel["lines"], labels, strict=True):
        parts.append(_line(frame, line, label, len(panel["lines"])))
    return parts


def _line(frame: _Frame, line: Values, label: float, count: int) -> str:
    """Draws one line: its points with intervals, and its name at the right, joined to the last point."""
    number = frame.lines.index(line["name"])
    shift = DODGE * (number - (len(frame.lines) - 1) / 2) if count > 1 else 0.0
    parts, path = [], []
    for point in line["points"]:
        x = frame.across(point["x"]) + shift
        y, low, high = (frame.down(point[key]) for key in ("value", "low", "high"))
        path.append(f"{x:.1f},{y:.1f}")
        parts.append(
            f'<path class="whisker" d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 3:.1f} {low:.1f}h6'
            f'M{x - 3:.1f} {high:.1f}h6"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            f"<title>{escape(_tooltip(frame, line, point))}</title></circle>"
        )
    name = line["name"] if len(line["name"]) <= LONGEST else line["name"][: LONGEST - 1] + "…"
    last_x, last_y = x + 6, y
    right = frame.left + PLOT_WIDTH
    return (
        f'<g class="curve s{number % COLOURS}"><polyline points="{" ".join(path)}"/>{"".join(parts)}'
        f'<path class="leader" d="M{last_x:.1f} {last_y:.1f}H{right - 4:.1f}L{right + 6:.1f} {label:.1f}"/>'
        f'<text class="name" x="{right + 10:.1f}" y="{label + 4:.1f}">{escape(name)}</text></g>'
    )


def _tooltip(frame: _Frame, line: Values, point: Values) -> str:
    value, low, high = (frame.factor * point[key] for key in ("value", "low", "high"))
    seeds = "1 seed" if point["seeds"] == 1 else f"{point['seeds']} seeds"
    return (
        f"{line['name']} at {point['x']:,.10g}: {value:.1f} [{low:.1f}, {high:.1f}], {seeds}, "
        f"{point['n']} questions ({point['arm']})"
    )


def _note(curves: Sequence[Values]) -> str:
    seeds = sorted(
        {
            point["seeds"]
            for curve in curves
            for panel in curve["panels"]
            for line in panel["lines"]
            for point in line["points"]
        }
    )
    shown = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return f"Bars: 95% intervals. Each point: {shown} {'seed' if seeds == [1] else 'seeds'}."
