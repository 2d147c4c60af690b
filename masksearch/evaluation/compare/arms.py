"""Arms of an experiment: several training seeds each, averaged question by question, then compared in pairs.

The unit that is resampled is the question (after averaging over seeds), so intervals and p say nothing of the spread
between seeds; the mean of each seed, and their spread, stand beside them for that.

Several suites give `mean of suites`, in which every suite weighs the same, and where they differ in size also `all suites`, in which
every question does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from masksearch.errors import UsageError
from masksearch.evaluation.compare.entries import value
from masksearch.evaluation.compare.pairs import MACRO, as_json
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics import macro_interval, paired_macro_difference
from masksearch.types import Results

POOLED = "all suites"
ByQuestion = dict[tuple[str, str], dict[str, float]]
"""(suite, question id) -> metric -> mean over the seeds."""


class _View(NamedTuple):
    """Which questions, and how they are averaged: the mean of the means of `groups`."""

    label: str
    groups: tuple[frozenset[str], ...]
    """Names of the suites in each."""


def compare_arms(
    arms: Mapping[str, Sequence[Results]], metrics: Sequence[str], settings: CompareSettings
) -> dict[str, Any]:
    """`{"arms": one entry an arm and suite, "arm_pairs": one entry a pair of arms and suite}`, with the means over suites if there are several.

    A pair is the later arm minus the earlier one, so the first arm is the natural place for the control. Metrics that some row
    lacks are left out. Raises UsageError for an arm without results, or with two methods on one suite.
    """
    rows = [row for results in arms.values() for result in results for row in result.per_question]
    metrics = [name for name in metrics if all(value(row, name) is not None for row in rows)]
    averaged = {name: _average(name, results, metrics) for name, results in arms.items()}
    views = _views(averaged.values())
    entries = [
        entry
        for view in views
        for name in arms
        if (entry := _arm(name, arms[name], averaged[name], view, metrics, settings))
    ]
    pairs = [
        pair
        for view in views
        for b, a in combinations(arms, 2)
        if (pair := _pair((a, averaged[a]), (b, averaged[b]), view, metrics, settings))
    ]
    return {"arms": entries, "arm_pairs": pairs}


def _views(averaged: Collection[ByQuestion]) -> list[_View]:
    """Every suite; both means over suites, or one where it is the same as the other (equally many questions of each suite)."""
    suites = list(dict.fromkeys(suite for questions in averaged for suite, _ in questions))
    single = [_View(suite, (frozenset({suite}),)) for suite in suites]
    if len(suites) < 2:
        return single
    counts = [Counter(suite for suite, _ in questions) for questions in averaged]
    alike = all(len({count[suite] for suite in suites}) == 1 for count in counts)
    return [
        *single,
        *([] if alike else [_View(POOLED, (frozenset(suites),))]),
        _View(MACRO, tuple(frozenset({suite}) for suite in suites)),
    ]


def _average(name: str, results: Sequence[Results], metrics: Sequence[str]) -> ByQuestion:
    """The mean over seeds of every question that all seeds of the arm answered."""
    if not results:
        raise UsageError(f"The arm '{name}' has no results; name at least one results file.")
    means: ByQuestion = {}
    for suite in dict.fromkeys(result.suite for result in results):
        seeds = [result for result in results if result.suite == suite]
        if len({result.method for result in seeds}) > 1:
            raise UsageError(
                f"The arm '{name}' holds results of '{suite}' by different methods, which cannot be averaged; make an arm of each."
            )
        tables = [{row["id"]: row for row in result.per_question} for result in seeds]
        for key in (key for key in tables[0] if all(key in table for table in tables)):
            means[suite, key] = {
                metric: sum(float(table[key][metric]) for table in tables) / len(tables) for metric in metrics
            }
    return means


def _arm(
    name: str,
    results: Sequence[Results],
    questions: ByQuestion,
    view: _View,
    metrics: Sequence[str],
    settings: CompareSettings,
) -> dict[str, Any] | None:
    groups = [
        [values for (suite, _), values in questions.items() if suite in suites] for suites in view.groups
    ]
    if not all(groups):
        # A mean over suites of which one is missing would be of something else.
        return None
    columns = {metric: [[values[metric] for values in group] for group in groups] for metric in metrics}
    by_seed = _by_seed(results, view, metrics)
    return {
        "arm": name,
        "suite": view.label,
        "seeds": len(by_seed),
        "n": sum(map(len, groups)),
        "metrics": {
            metric: _mean([_mean(values) for values in groups]) for metric, groups in columns.items()
        },
        "intervals": {
            metric: list(macro_interval(groups, settings.bootstrap, settings.seed))
            for metric, groups in columns.items()
        },
        "by_seed": by_seed,
        "spread": {metric: _spread([seed[metric] for seed in by_seed]) for metric in metrics},
        "methods": list(
            dict.fromkeys(
                result.method for result in results if any(result.suite in suites for suites in view.groups)
            )
        ),
    }


def _by_seed(results: Sequence[Results], view: _View, metrics: Sequence[str]) -> list[dict[str, float]]:
    """Means of each seed; the i-th results of every suite are taken to be the i-th seed, as far as all suites have one."""
    by_suite = {
        suite: [result for result in results if result.suite == suite]
        for suites in view.groups
        for suite in sorted(suites)
    }
    by_suite = {suite: members for suite, members in by_suite.items() if members}
    seeds = []
    for number in range(min(map(len, by_suite.values()))):
        groups = [
            [row for suite in suites if suite in by_suite for row in by_suite[suite][number].per_question]
            for suites in view.groups
        ]
        seeds.append(
            {
                metric: _mean([_mean([float(row[metric]) for row in group]) for group in groups])
                for metric in metrics
            }
        )
    return seeds


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    """Least, most and standard deviation (n - 1; None for a single seed) of the means of the seeds."""
    mean = _mean(values)
    deviation = (
        math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        if len(values) > 1
        else None
    )
    return {"min": min(values), "max": max(values), "sd": deviation}


def _pair(
    first: tuple[str, ByQuestion],
    second: tuple[str, ByQuestion],
    view: _View,
    metrics: Sequence[str],
    settings: CompareSettings,
) -> dict[str, Any] | None:
    (a, a_questions), (b, b_questions) = first, second
    groups = [
        [key for key in a_questions if key in b_questions and key[0] in suites] for suites in view.groups
    ]
    if not all(groups):
        return None
    n, differences = sum(map(len, groups)), {}
    for metric in metrics:
        columns = [
            ([a_questions[key][metric] for key in keys], [b_questions[key][metric] for key in keys])
            for keys in groups
        ]
        differences[metric] = as_json(
            paired_macro_difference(columns, settings.bootstrap, settings.seed, settings.test), n
        )
    return {"suite": view.label, "a": a, "b": b, "n": n, "metrics": differences}
