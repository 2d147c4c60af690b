"""How figures, measures and rows are written in the tables of a comparison. Scores are in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.tables import Cell, cells

Values = Mapping[str, Any]
SIGNIFICANT = 0.05
NONE = Cell("-")
_COUNTS = {
    "searches",
    "opens",
    "prompt_tokens",
    "model_tokens",
    "tool_tokens",
    "total_tokens",
    "answer_tokens",
    "seconds",
    "judge_errors",
}
"""Measures that are no scores in [0, 1]: not in percent, and more is not better."""
_NAMES = {
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "em": "EM",
    "cover_em": "cover-EM",
    "parts_recall": "parts",
    "parts_all": "all parts",
    "judge_strict": "judge (strict)",
    "judge_relaxed": "judge (relaxed)",
    "judge_errors": "unread verdicts",
    "f1_false_premise": "F1 false premise",
    "valid": "valid",
    "free_recall": "said",
    "answer_tokens": "answer tokens",
    "searches": "searches",
    "model_tokens": "tokens",
    "total_tokens": "all tokens",
    "seconds": "seconds",
    "evidence_recall": "evidence recall",
    "evidence": "all evidence",
    "f1_given_evidence": "F1 given evidence",
    "yes_no_share": "yes/no said",
    "yes_no_gold_share": "yes/no golds",
}
WITH_INTERVALS = ("recall", "f1", "em", "valid", "judge_strict")
"""Scores that tables of single results show with their interval."""
_TESTS = {"permutation": "paired permutation test", "bootstrap": "paired bootstrap test"}
_CORRECTIONS = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}


def metric_name(metric: str) -> str:
    """As a header calls it."""
    return _NAMES.get(metric, metric.replace("_", " "))


def is_score(metric: str) -> bool:
    """Whether it lies in [0, 1], more being better."""
    return metric not in _COUNTS and not metric.startswith("n_")


class Figures(NamedTuple):
    """What decides how they are written."""

    settings: CompareSettings
    tests: Mapping[str, int]
    """Measure -> how many tests were corrected together."""

    def figure(self, value: float, metric: str, signed: bool = False) -> str:
        """`31.2`, `+4.0`; a count as it is."""
        digits = (
            self.settings.digits
            if is_score(metric)
            else 0
            if "tokens" in metric and metric != "answer_tokens"
            else 1
        )
        # Adding 0 turns a negative zero into a plain one.
        shown = round(value * (100 if is_score(metric) else 1), digits) + 0.0
        return f"{shown:{'+' if signed else ''}.{digits}f}"

    def interval(self, interval: Sequence[float] | None, metric: str, signed: bool = False) -> str:
        """`[27.0, 35.1]`."""
        return (
            f"[{self.figure(interval[0], metric, signed)}, {self.figure(interval[1], metric, signed)}]"
            if interval
            else ""
        )

    def title(self, metric: str) -> str:
        """The caption of a measure's table."""
        name = metric_name(metric)
        return f"{name[:1].upper()}{name[1:]}{' (%)' if is_score(metric) else ''}"

    def stars(self, metric: str, against: str) -> str:
        """What a star means."""
        tests = self.tests.get(metric, 0)
        if not tests:
            return ""
        name = _CORRECTIONS.get(self.settings.correction)
        how = (
            f"after {name}'s correction over {tests} test{'s' * (tests > 1)}"
            if name
            else "without correction for many tests"
        )
        return f"* differs from {against}: p < {SIGNIFICANT} {how} ({_TESTS[self.settings.test]})."

    def best(self, column: list[Cell], metric: str) -> list[Cell]:
        """The best of a column marked, all of them where several look the same; nothing where there is no choice."""
        shown = [float(cell.text) for cell in column if cell is not NONE]
        if not is_score(metric) or len(set(shown)) < 2:
            return column
        return [
            cell
            if cell is NONE or float(cell.text) < max(shown)
            else Cell(cell.text, True, cell.star, cell.aside)
            for cell in column
        ]

    def metric(self, row: Values, metric: str) -> Cell:
        """One figure of a row with `metrics` and `intervals`."""
        if metric not in row["metrics"]:
            return NONE
        interval = row["intervals"].get(metric) if metric in WITH_INTERVALS else None
        count = (
            f"(n {row['metrics']['n_given_evidence']:.0f})"
            if metric == "f1_given_evidence" and "n_given_evidence" in row["metrics"]
            else ""
        )
        return Cell(
            self.figure(row["metrics"][metric], metric), aside=count or self.interval(interval, metric)
        )


def p_value(value: float) -> str:
    """`0.037`; what three decimals do not show is `<0.001`."""
    return f"{value:.3f}" if value >= 0.0005 + 1e-12 else "<0.001"


def significant(test: Values | None) -> bool:
    """Whether a test's adjusted p is below SIGNIFICANT."""
    return test is not None and test.get("p_adjusted", 1.0) < SIGNIFICANT


def by_suite(rows: Sequence[Values]) -> list[Values]:
    """Suites together, in the order in which they are first listed."""
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    return sorted(rows, key=lambda row: suites.index(row["suite"]))


def named(row: Values) -> tuple[Cell, ...]:
    """The first cells of a result's row: suite, method, model with its variant, n."""
    name = f"{row['name']}, {row['variant']}" if row["variant"] else row["name"]
    return cells((row["suite"], row["method"], name, str(row["n"])))
