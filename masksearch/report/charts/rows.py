"""Plots of one row for each value: a name, a drawing on a common axis, and the figures as text.

Names and figures are text of the page, so that they wrap on narrow screens and screen readers read them. The
drawing of a row is an image without a size of its own: its horizontal places are percentages of its width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from masksearch.text.display import visible_controls

HEIGHT = 34
"""Height of a row's drawing in pixels."""
MIDDLE = HEIGHT / 2


class Axis(NamedTuple):
    """The horizontal axis of a plot, from its first to its last tick."""

    ticks: Sequence[float]
    unit: str
    signed: bool = False
    """Whether positive ticks have a plus sign, and 0 a line of its own."""

    def place(self, value: float) -> float:
        """Returns the place of a value in percent of the width; values outside are drawn at the ends."""
        low, high = self.ticks[0], self.ticks[-1]
        return 100 * min(1.0, max(0.0, (value - low) / (high - low)))

    def grid(self) -> str:
        """Returns the vertical lines of the ticks."""
        return "".join(
            f'<line class="{"zero" if self.signed and not value else "grid"}" x1="{self.place(value):.2f}%" '
            f'x2="{self.place(value):.2f}%" y1="0" y2="100%"/>'
            for value in self.ticks
        )

    def drawing(self) -> Markup:
        """Returns the row below the plot: the values of the ticks, and the unit."""
        texts = "".join(
            f'<text class="tick" x="{self.place(value):.2f}%" y="13" text-anchor="middle">'
            f"{f'{value:+g}' if self.signed and value else f'{value:g}'}</text>"
            for value in self.ticks
        )
        return Markup(
            f'<div class="axis" aria-hidden="true"><svg class="track" height="18">{texts}</svg>'
            f"<small>{escape(self.unit)}</small></div>"
        )


class PlotRow(NamedTuple):
    """A row of a plot."""

    kind: str
    """CSS class of the row."""
    name: str
    about: str
    """Small text below the name."""
    drawing: str
    """Elements of the row's image."""
    figures: str
    note: str
    """Small text below the figures."""


def plot(groups: Sequence[tuple[str, Sequence[PlotRow]]], axis: Axis) -> Markup:
    """Draws the rows below the headings of their groups; `groups` is [(heading, rows), ...].

    Names of models and suites are not trusted: their hidden and direction-changing characters become visible
    code points, as everywhere on the page.
    """
    grid = axis.grid()
    parts = []
    for heading, rows in groups:
        items = "".join(_item(row, grid) for row in rows)
        label = escape(heading)
        parts.append(
            f'<p class="heading"><bdi>{label}</bdi></p>'
            f'<ul class="plot-rows" aria-label="{label}">{items}</ul>'
        )
    return Markup(visible_controls(f'<div class="row-plot">{"".join(parts)}{axis.drawing()}</div>'))


def _item(row: PlotRow, grid: str) -> str:
    about = f" <small><bdi>{escape(row.about)}</bdi></small>" if row.about else ""
    note = f" <small>{escape(row.note)}</small>" if row.note else ""
    return (
        f'<li class="{row.kind}"><span class="who"><bdi>{escape(row.name)}</bdi>{about}</span>'
        f'<svg class="track" height="{HEIGHT}" aria-hidden="true">{grid}{row.drawing}</svg>'
        f'<span class="what"><b>{escape(row.figures)}</b>{note}</span></li>'
    )
