"""Writes the curves of a comparison as SVG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.evaluation.curves.chart import standalone
from masksearch.runtime import files


def by_name(curves: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the values of each curve by its name, one object for each suite."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for curve in curves:
        found.setdefault(curve["name"], []).append(curve)
    return found


def write_curves(curves: Sequence[Mapping[str, Any]], output: Path) -> list[Path]:
    """Writes a file for each curve next to the comparison `output` (`comparison-labels.svg` for the curve
    `labels` of comparison.json), and returns their paths."""
    paths = []
    for name, values in by_name(curves).items():
        paths.append(output.with_name(f"{output.stem}-{name}.svg"))
        files.write_text(paths[-1], standalone(values))
    return paths
