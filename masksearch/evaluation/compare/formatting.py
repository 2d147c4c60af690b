"""Formats values, metric names and rows for the tables of a comparison. Scores are in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.tables import Cell, cells

Values = Mapping[str, Any]
SIGNIFICANT = 0.05
"""Significance level: a difference gets a star if its adjusted p is below this value."""
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
"""Measures that are not scores: they are not shown in percent, and a higher value is not better."""
_NAMES = {
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "right": "right",
    "em": "EM",
    "em_all": "EM (all masks)",
    "cover_em": "cover-EM",
    "cover_em_all": "cover-EM (all masks)",
    "sub_em": "sub-EM",
    "parts_recall": "parts found",
    "parts_all": "all parts found",
    "fanoutqa_loose": "FanOutQA loose",
    "fanoutqa_strict": "FanOutQA strict",
    "judge_strict": "judge (strict)",
    "judge_relaxed": "judge (relaxed)",
    "judge_frames": "FRAMES rule (judge)",
    "judge_fresheval_strict": "FreshEval strict (judge)",
    "judge_fresheval_relaxed": "FreshEval relaxed (judge)",
    "judge_errors": "judge errors",
    "f1_false_premise": "F1 false premise",
    "valid": "valid",
    "free_recall": "anywhere",
    "answer_tokens": "answer tokens",
    "searches": "searches",
    "model_tokens": "model tokens",
    "total_tokens": "total tokens",
    "seconds": "seconds, batched",
    "evidence_recall": "evidence recall",
    "evidence": "all evidence",
    "f1_given_evidence": "F1 given evidence",
    "grounded": "grounded",
    "supported": "supported (judge)",
    "false_quotes": "false quotes",
    "yes_no_share": "yes/no answers",
    "yes_no_gold_share": "yes/no golds",
}
_LOWER_IS_BETTER = ("false_quotes",)
WITH_INTERVALS = ("recall", "f1", "em", "valid", "judge_strict")
"""Scores that the tables of details, for results and for arms, show with their 95% interval."""
_TESTS = {"permutation": "paired permutation test", "bootstrap": "paired bootstrap test"}
_CROSSED = "t test over seeds x questions"
ONE_SEED = "one seed each: the variance between seeds is not included"
"""Addition to the tests and intervals of results of single seeds."""
_CORRECTIONS = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}


_OVER_MASKS = ("em", "cover_em", "sub_em")
"""Shares that are means over the masks of a task with several: their name says so."""
ALL_MASKS = ("em_all", "cover_em_all")
"""Shares of tasks with every mask right; they equal the means where each task has one mask."""


def metric_name(metric: str, several: bool = False) -> str:
    """Returns the name of a metric in table headers. `several`: whether tasks have several masks."""
    name = _NAMES.get(metric, metric.replace("_", " "))
    return f"{name} (mean)" if several and metric in _OVER_MASKS else name


def is_score(metric: str) -> bool:
    """Whether a metric is a score, that is, in [0, 1] and better if higher."""
    return metric not in _COUNTS and not metric.startswith("n_")


class Figures(NamedTuple):
    """Formats the numbers of one comparison for its tables, according to the settings."""

    settings: CompareSettings
    tests: Mapping[str, int]
    """Measure -> number of tests that were corrected together."""
    several: bool = False
    """Whether some tasks have several masks."""

    def name(self, metric: str) -> str:
        """Returns the name of a metric in table headers."""
        return metric_name(metric, self.several)

    def figure(self, value: float, metric: str, signed: bool = False) -> str:
        """Formats a value: a score in percent (`31.2`), any other metric as it is.

        With `signed`, a positive value gets a plus sign (`+4.0`).
        """
        if is_score(metric):
            digits = self.settings.digits
        elif "tokens" in metric and metric != "answer_tokens":
            digits = 0
        else:
            digits = 1
        # Adding 0.0 turns a negative zero into a positive zero, so that "-0.0" is never shown.
        shown = round(value * (100 if is_score(metric) else 1), digits) + 0.0
        return f"{shown:{'+' if signed else ''}.{digits}f}"

    def interval(self, interval: Sequence[float] | None, metric: str, signed: bool = False) -> str:
        """Formats an interval: `[27.0, 35.1]`; empty without an interval."""
        if not interval:
            return ""
        low, high = (self.figure(bound, metric, signed) for bound in interval)
        return f"[{low}, {high}]"

    def title(self, metric: str) -> str:
        """Returns the caption of a measure's table."""
        name = self.name(metric)
        return f"{name[:1].upper()}{name[1:]}{' (%)' if is_score(metric) else ''}"

    def stars(self, metric: str, against: str, seeds: Sequence[Sequence[int]] = ((1, 1),)) -> str:
        """Returns the note below a table that explains its stars; empty without tests.

        `against` names what the starred values were tested against. `seeds` has the numbers of seeds of the
        two sides of each test.
        """
        tests = self.tests.get(metric, 0)
        if not tests:
            return ""
        name = _CORRECTIONS.get(self.settings.correction)
        how = (
            f"after {name}'s correction over {tests} test{'s' * (tests > 1)}"
            if name
            else "without correction for multiple tests"
        )
        return f"* differs from {against}: p < {SIGNIFICANT} {how} ({self.tests_of(seeds)})."

    def tests_of(self, seeds: Sequence[Sequence[int]]) -> str:
        """Returns the names of the tests for pairs with these numbers of seeds."""
        resampled = f"{_TESTS[self.settings.test]} over questions; {ONE_SEED}"
        names = [_CROSSED if max(pair) > 1 else resampled for pair in seeds]
        if any(min(pair) == 1 < max(pair) for pair in seeds):
            names.append("of an arm with one seed, the variance between seeds is not included")
        return "; ".join(dict.fromkeys(names))

    def best(self, column: list[Cell], metric: str) -> list[Cell]:
        """Returns a column with its best cells marked, that is, all cells that show the highest value (of
        false quotes, the lowest).

        Marks no cell if the measure is not a score or if all cells show the same value.
        """
        shown = [float(cell.text) for cell in column if cell is not NONE]
        if not is_score(metric) or len(set(shown)) < 2:
            return column
        best = min(shown) if metric in _LOWER_IS_BETTER else max(shown)
        return [
            cell if cell is NONE or float(cell.text) != best else Cell(cell.text, True, cell.star, cell.aside)
            for cell in column
        ]

    def metric(self, row: Values, metric: str) -> Cell:
        """Returns the cell of a metric for one result or arm; `row` has its `metrics` and `intervals`."""
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
    """Formats a p value with three decimals: `0.037`; below 0.0005, `<0.001`."""
    return f"{value:.3f}" if value >= 0.0005 + 1e-12 else "<0.001"


def significant(test: Values | None) -> bool:
    """Whether a test's adjusted p is below SIGNIFICANT."""
    return test is not None and test.get("p_adjusted", 1.0) < SIGNIFICANT


def by_suite(rows: Sequence[Values]) -> list[Values]:
    """Sorts rows by suite, in the order in which the suites first occur."""
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    return sorted(rows, key=lambda row: suites.index(row["suite"]))


def named(row: Values) -> tuple[Cell, ...]:
    """Returns the first cells of a result's row: suite, method, model (with the variant of its search), n."""
    name = f"{row['name']}, {row['variant']}" if row["variant"] else row["name"]
    return cells((row["suite"], row["method"], name, str(row["n"])))
