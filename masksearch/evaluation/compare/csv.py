"""A comparison as CSV: one line for each row, suite and measure, in full precision, with the test against its baseline."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from masksearch.evaluation.compare.pairs import MACRO

Values = Mapping[str, Any]
FIELDS = (
    *("kind", "model", "method", "variant", "suite", "metric", "n", "value", "low", "high", "seeds"),
    *(
        "against",
        "against_method",
        "n_paired",
        "difference",
        "difference_low",
        "difference_high",
        "p",
        "p_adjusted",
        "source",
    ),
)
"""kind: result, average (mean of suites), pooled (all questions), arm; and pair, arm_pair for tests that no such line carries."""


def to_csv(comparison: Values) -> str:
    """The lines, the first being the names of the columns. Empty where there is nothing to say."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for lines in (_results, _averages, _arms, _pairs):
        writer.writerows(lines(comparison))
    return text.getvalue().rstrip("\n")


def _results(found: Values) -> Iterator[dict[str, Any]]:
    """Each against its baseline; a worse search against the search as it is."""
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
            }
            line |= {"n": row["counted"].get(metric, row["n"])}
            yield (
                line
                | {"metric": metric, "value": value, "source": row["source"]}
                | _bounds(row["intervals"].get(metric))
                | _test(pair, metric)
            )


def _averages(found: Values) -> Iterator[dict[str, Any]]:
    pairs = {(pair["label"], pair["method"]): pair for pair in found["average_pairs"]}
    for table in found["main"]:
        for row in table["rows"]:
            pair = pairs.get((row["label"], row["method"]))
            for kind, suite in (("average", MACRO), ("pooled", "all questions")):
                cell = row[kind]
                if cell:
                    line = {
                        "kind": kind,
                        "model": row["label"],
                        "method": row["method"],
                        "suite": suite,
                        "metric": table["metric"],
                    }
                    line |= {"n": cell["n"], "value": cell["value"], **_bounds(cell.get("interval"))}
                    yield line | (_test(pair, table["metric"]) if kind == "average" else {})


def _arms(found: Values) -> Iterator[dict[str, Any]]:
    """Each against the first arm."""
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
            }
            yield line | {
                "value": value,
                "seeds": arm["seeds"],
                **_bounds(arm["intervals"].get(metric)),
                **_test(pair, metric),
            }


def _pairs(found: Values) -> Iterator[dict[str, Any]]:
    control = found["arms"][0]["arm"] if found["arms"] else ""
    for pair in found["pairs"]:
        if pair["against"] != "baseline":
            line = {
                "kind": "pair",
                "model": pair["label"],
                "method": pair["method"],
                "suite": pair["suite"],
                "source": pair["source"],
            }
            yield from (line | {"metric": metric} | _test(pair, metric) for metric in pair["metrics"])
    for pair in found["arm_pairs"]:
        if pair["b"] != control:
            line = {"kind": "arm_pair", "model": pair["a"], "suite": pair["suite"]}
            yield from (line | {"metric": metric} | _test(pair, metric) for metric in pair["metrics"])


def _bounds(interval: Any) -> dict[str, Any]:
    return {"low": interval[0], "high": interval[1]} if interval else {}


def _test(pair: Values | None, metric: str) -> dict[str, Any]:
    test = pair["metrics"].get(metric) if pair else None
    if pair is None or not test:
        return {}
    low, high = test["interval"]
    against = pair.get("b") or pair.get("baseline") or f"{pair['label']}, search as it is"
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
