"""Arms of an experiment: several training seeds each, averaged question by question, then compared in pairs.

The unit that is resampled is the question (after averaging over seeds), so intervals and p say nothing of the spread
between seeds; the mean of each seed is listed beside them for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from masksearch.errors import UsageError
from masksearch.evaluation.statistics import bootstrap_interval, paired_difference
from masksearch.types import Results

POOLED = "all suites"
ByQuestion = dict[tuple[str, str], dict[str, float]]
"""(suite, question id) -> metric -> mean over the seeds."""


def compare_arms(arms: Mapping[str, Sequence[Results]], metrics: Sequence[str], bootstrap: int, seed: int) -> dict[str, Any]:
    """`{"arms": one entry an arm and suite, "arm_pairs": one entry a pair of arms and suite}`, each also pooled if there are several suites.

    A pair is the later arm minus the earlier one, so the first arm is the natural place for the control. Metrics that some row
    lacks are left out. Raises UsageError for an arm without results, or with two methods on one suite.
    """
    metrics = [name for name in metrics if all(name in row for results in arms.values() for result in results for row in result.per_question)]
    averaged = {name: _average(name, results, metrics) for name, results in arms.items()}
    suites = list(dict.fromkeys(suite for questions in averaged.values() for suite, _ in questions))
    views = [(suite, {suite}) for suite in suites] + ([(POOLED, set(suites))] if len(suites) > 1 else [])
    entries = [entry for view in views for name in arms if (entry := _arm(name, arms[name], averaged[name], view, metrics, bootstrap, seed))]
    pairs = [pair for view in views for b, a in combinations(arms, 2) if (pair := _pair((a, averaged[a]), (b, averaged[b]), view, metrics, bootstrap, seed))]
    return {"arms": entries, "arm_pairs": pairs}


def _average(name: str, results: Sequence[Results], metrics: Sequence[str]) -> ByQuestion:
    """The mean over seeds of every question that all seeds of the arm answered."""
    if not results:
        raise UsageError(f"The arm '{name}' has no results; name at least one results file.")
    means: ByQuestion = {}
    for suite in dict.fromkeys(result.suite for result in results):
        seeds = [result for result in results if result.suite == suite]
        if len({result.method for result in seeds}) > 1:
            raise UsageError(f"The arm '{name}' holds results of '{suite}' by different methods, which cannot be averaged; make an arm of each.")
        tables = [{row["id"]: row for row in result.per_question} for result in seeds]
        for key in (key for key in tables[0] if all(key in table for table in tables)):
            means[suite, key] = {metric: sum(float(table[key][metric]) for table in tables) / len(tables) for metric in metrics}
    return means


def _arm(
    name: str, results: Sequence[Results], questions: ByQuestion, view: tuple[str, set[str]], metrics: Sequence[str], bootstrap: int, seed: int
) -> dict[str, Any] | None:
    label, suites = view
    chosen = [values for (suite, _), values in questions.items() if suite in suites]
    if not chosen:
        return None
    columns = {metric: [values[metric] for values in chosen] for metric in metrics}
    by_suite = [[result for result in results if result.suite == suite] for suite in sorted(suites)]
    by_seed = [_pooled_means(members, metrics) for members in zip(*(group for group in by_suite if group), strict=False)]
    return {
        "arm": name,
        "suite": label,
        "seeds": len(by_seed),
        "n": len(chosen),
        "metrics": {metric: sum(values) / len(values) for metric, values in columns.items()},
        "intervals": {metric: list(bootstrap_interval(values, bootstrap, seed)) for metric, values in columns.items()},
        "by_seed": by_seed,
    }


def _pooled_means(members: Sequence[Results], metrics: Sequence[str]) -> dict[str, float]:
    """Means over all questions of one seed; the i-th results of every suite are taken to be the i-th seed."""
    rows = [row for member in members for row in member.per_question]
    return {metric: sum(float(row[metric]) for row in rows) / len(rows) for metric in metrics}


def _pair(
    first: tuple[str, ByQuestion], second: tuple[str, ByQuestion], view: tuple[str, set[str]], metrics: Sequence[str], bootstrap: int, seed: int
) -> dict[str, Any] | None:
    (a, a_questions), (b, b_questions), (label, suites) = first, second, view
    keys = [key for key in a_questions if key in b_questions and key[0] in suites]
    if not keys:
        return None
    differences = {}
    for metric in metrics:
        found = paired_difference([a_questions[key][metric] for key in keys], [b_questions[key][metric] for key in keys], bootstrap, seed)
        differences[metric] = {"difference": found.difference, "interval": [found.low, found.high], "p": found.p}
    return {"suite": label, "a": a, "b": b, "n": len(keys), "metrics": differences}
