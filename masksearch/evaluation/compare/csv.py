"""Writes a comparison as CSV.

There is one line for each combination of result (or arm), suite and measure. It has the value in full
precision, and the paired test of the value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from masksearch.evaluation.compare.pairs import MACRO
from masksearch.evaluation.compare.units import unit

Values = Mapping[str, Any]
FIELDS = (
    "kind",
    "model",
    "method",
    "variant",
    "suite",
    "metric",
    "n",
    "value",
    "low",
    "high",
    "seeds",
    "against",
    "against_method",
    "n_paired",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_adjusted",
    "source",
    "unit",
)
"""Columns of the CSV text.

The column `unit` has the units of the value, or of the difference if the line has no value, such as
`3 seeds x 160 questions`.

The column `kind` is the kind of a line. Lines of the kinds `result`, `average` (mean of suites), `pooled`
(mean of all questions) and `arm` have a value and, except `pooled`, its test against the baseline. The other
tests have separate lines, of the kinds `pair` and `arm_pair`.
"""


def to_csv(comparison: Values) -> str:
    """Returns the CSV text: a header and the lines, without a newline at the end."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for lines in (_results, _averages, _arms, _pairs):
        writer.writerows(lines(comparison))
    return text.getvalue().rstrip("\n")


def _results(found: Values) -> Iterator[dict[str, Any]]:
    """Yields the lines of the results.

    A result has its test against the baseline; with a degraded search, its test against the original search.
    """
    tests = {
        pair["source"]: pair
        for pair in (*found["pairs"], *found["robustness"])
        if pair.get("against", "baseline") == "baseline"
    }
    for row in found["rows"]:
        pair = tests.get(row["source"])
        for metric, value in row["metrics"].items():
            line = {
                "kind": "result",
                "model": row["name"],
                "method": row["method"],
                "variant": row["variant"],
                "suite": row["suite"],
                "n": row["counted"].get(metric, row["n"]),
                "metric": metric,
                "value": value,
                "source": row["source"],
                "unit": unit([{1}], row["counted"].get(metric, row["n"])),
            }
            yield line | _bounds(row["intervals"].get(metric)) | _test(pair, metric)


def _averages(found: Values) -> Iterator[dict[str, Any]]:
    pairs = {(pair["label"], pair["method"]): pair for pair in found["average_pairs"]}
    for table in found["main"]:
        for row in table["rows"]:
            pair = pairs.get((row["label"], row["method"]))
            for kind, suite in (("average", MACRO), ("pooled", "all questions")):
                cell = row[kind]
                if not cell:
                    continue
                line = {
                    "kind": kind,
                    "model": row["label"],
                    "method": row["method"],
                    "suite": suite,
                    "metric": table["metric"],
                    "n": cell["n"],
                    "value": cell["value"],
                    "unit": unit([{1}], cell["n"], len(table["suites"])),
                    **_bounds(cell.get("interval")),
                }
                # The pooled mean is not tested.
                yield line | (_test(pair, table["metric"]) if kind == "average" else {})


def _arms(found: Values) -> Iterator[dict[str, Any]]:
    """Yields the lines of the arms; each has its test against the first arm, the control."""
    control = found["arms"][0]["arm"] if found["arms"] else ""
    pairs = {(pair["a"], pair["suite"]): pair for pair in found["arm_pairs"] if pair["b"] == control}
    for arm in found["arms"]:
        pair = pairs.get((arm["arm"], arm["suite"]))
        for metric, value in arm["metrics"].items():
            line = {
                "kind": "arm",
                "model": arm["arm"],
                "method": " / ".join(arm["methods"]),
                "suite": arm["suite"],
                "metric": metric,
                "n": arm["n"],
                "unit": arm["unit"],
            }
            yield line | {
                "value": value,
                "seeds": arm["seeds"],
                **_bounds(arm["intervals"].get(metric)),
                **_test(pair, metric),
            }


def _pairs(found: Values) -> Iterator[dict[str, Any]]:
    """Yields the lines of the remaining tests: those without the baseline and those without the first arm."""
    control = found["arms"][0]["arm"] if found["arms"] else ""
    for pair in found["pairs"]:
        if pair["against"] != "baseline":
            line = {
                "kind": "pair",
                "model": pair["label"],
                "method": pair["method"],
                "suite": pair["suite"],
                "source": pair["source"],
                "unit": pair["unit"],
            }
            yield from (line | {"metric": metric} | _test(pair, metric) for metric in pair["metrics"])
    for pair in found["arm_pairs"]:
        if pair["b"] != control:
            line = {"kind": "arm_pair", "model": pair["a"], "suite": pair["suite"], "unit": pair["unit"]}
            yield from (line | {"metric": metric} | _test(pair, metric) for metric in pair["metrics"])


def _bounds(interval: Any) -> dict[str, Any]:
    return {"low": interval[0], "high": interval[1]} if interval else {}


def _test(pair: Values | None, metric: str) -> dict[str, Any]:
    test = pair["metrics"].get(metric) if pair else None
    if pair is None or not test:
        return {}
    low, high = test["interval"]
    against = pair.get("b") or pair.get("baseline") or f"{pair['label']}, original search"
    found = {
        "against": against,
        "against_method": pair.get("baseline_method", pair.get("method", "")),
        "n_paired": test["n"],
    }
    return found | {
        "difference": test["difference"],
        "difference_low": low,
        "difference_high": high,
        "p": test["p"],
        "p_adjusted": test["p_adjusted"],
    }
