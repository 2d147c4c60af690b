"""The values of curves: the points of each line, from the arms of a comparison.

comparison.json holds them as `curves`, one object for each curve and suite:

    {"name", "title", "x", "scale", "suite", "panels": [{"metric", "lines": [{"name", "points"}]}]}

A point is `{"x", "arm", "value", "low", "high", "seeds", "n"}`: the arm's mean over its seeds, with its 95%
interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.errors import UsageError
from masksearch.evaluation.compare.pairs import MACRO
from masksearch.evaluation.settings import CompareSettings, CurveSettings

Values = Mapping[str, Any]


def curve_values(arms: Sequence[Values], settings: CompareSettings) -> list[dict[str, Any]]:
    """Returns the values of all curves, from the entries of the arms in comparison.json.

    An arm without results gives no point; a line, a panel or a curve without points is left out. Raises
    UsageError for a suite or a measure that no arm has.
    """
    found = []
    for name, curve in settings.curves.items():
        for suite in _suites(name, curve, arms):
            entries = {arm["arm"]: arm for arm in arms if arm["suite"] == suite}
            panels = [_panel(metric, curve, entries) for metric in _metrics(name, curve, arms)]
            panels = [panel for panel in panels if panel["lines"]]
            if panels:
                found.append(
                    {
                        "name": name,
                        "title": curve.title,
                        "x": curve.x,
                        "scale": curve.scale,
                        "suite": suite,
                        "panels": panels,
                    }
                )
    return found


def _suites(name: str, curve: CurveSettings, arms: Sequence[Values]) -> list[str]:
    known = list(dict.fromkeys(arm["suite"] for arm in arms))
    if not curve.suites:
        return [MACRO] if MACRO in known else known
    for suite in curve.suites:
        if known and suite not in known:
            raise UsageError(
                f"curves.{name}.suites names '{suite}', but the arms have results of {', '.join(known)}."
            )
    return [suite for suite in curve.suites if suite in known]


def _metrics(name: str, curve: CurveSettings, arms: Sequence[Values]) -> list[str]:
    known = list(dict.fromkeys(metric for arm in arms for metric in arm["metrics"]))
    for metric in curve.metrics:
        if known and metric not in known:
            raise UsageError(
                f"curves.{name}.metrics names '{metric}', which not all questions of all arms have; "
                f"measures that they have: {', '.join(known)} (name others in metric too)."
            )
    return [metric for metric in curve.metrics if metric in known]


def _panel(metric: str, curve: CurveSettings, entries: Mapping[str, Values]) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    for name, arms in curve.lines.items():
        points = [
            _point(float(number), entries[arm], metric) for number, arm in arms.items() if arm in entries
        ]
        if points:
            points.sort(key=lambda point: float(point["x"]))
            lines.append({"name": name, "points": points})
    return {"metric": metric, "lines": lines}


def _point(x: float, entry: Values, metric: str) -> dict[str, Any]:
    low, high = entry["intervals"][metric]
    return {
        "x": x,
        "arm": entry["arm"],
        "value": entry["metrics"][metric],
        "low": low,
        "high": high,
        "seeds": entry["seeds"],
        "n": entry["n"],
    }


def with_known_arms(curves: Mapping[str, Any], arms: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the curves of a recipe, as JSON values, without the points of arms that are not in `arms`, and
    without lines that have no other points."""
    found = {}
    for name, curve in curves.items():
        lines = {
            line: kept
            for line, points in curve.get("lines", {}).items()
            if (kept := {x: arm for x, arm in points.items() if arm in arms})
        }
        if lines:
            found[name] = {**curve, "lines": lines}
    return found
