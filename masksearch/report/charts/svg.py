"""What all charts share: the frame of an SVG image, the number of colours, figures and names."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from masksearch.text.display import visible_controls

COLOURS = 6
"""Number of colour classes in the page's style sheet."""


def figure(value: float) -> str:
    """Formats a value of an axis or a tooltip."""
    return f"{value:.4g}"


def svg(parts: Sequence[str], width: float, height: float, label: str) -> Markup:
    """Returns an image from its elements; `label` is what a screen reader gets.

    Names of models and suites are not trusted: their hidden and direction-changing characters become
    visible code points, as everywhere on the page.
    """
    return Markup(
        visible_controls(
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(label)}">'
            f"{''.join(parts)}</svg>"
        )
    )
