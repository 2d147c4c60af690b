"""Compares the arms of an experiment.

An arm has results of several training seeds. The score of a question is averaged over the seeds, and then
the arms are compared in pairs, question by question. Intervals and p values come from resampling questions,
so they do not cover the variation between seeds. To show this variation, each arm also has the mean of every
seed and the spread of these means.

With several suites there are two averages. In the `mean of suites` every suite has the same weight. In
`all suites` every question has the same weight; this average is left out if all suites have the same size.
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
"""Values of one arm: (suite, question id) -> metric -> mean of the question's values over the seeds."""


class _View(NamedTuple):
    """A way to average questions: the mean over `groups` of each group's mean.

    A single suite and the pooled mean of all suites have one group; the mean of suites has one group for each
    suite.
    """

    label: str
    groups: tuple[frozenset[str], ...]
    """Each group is a set of suites, whose questions are pooled."""


def compare_arms(
    arms: Mapping[str, Sequence[Results]], metrics: Sequence[str], settings: CompareSettings
) -> dict[str, Any]:
    """Returns the entries of all arms and the paired tests between them.

    The form is `{"arms": [entry of one arm on one suite, ...], "arm_pairs": [tests of one pair of arms on one
    suite, ...]}`. With several suites, the averages over suites have entries and tests too. A difference is
    the later arm minus the earlier arm, so the control should be listed first. A metric is left out if any
    row of any arm lacks it. Raises UsageError for an arm without results, or with two methods on one suite.
    """
    rows = [row for results in arms.values() for result in results for row in result.per_question]
    metrics = [name for name in metrics if all(value(row, name) is not None for row in rows)]
    averaged = {name: _average(name, results, metrics) for name, results in arms.items()}
    entries, pairs = [], []
    for view in _views(averaged.values()):
        for name in arms:
            entry = _arm(name, arms[name], averaged[name], view, metrics, settings)
            if entry:
                entries.append(entry)
        for b, a in combinations(arms, 2):
            pair = _pair((a, averaged[a]), (b, averaged[b]), view, metrics, settings)
            if pair:
                pairs.append(pair)
    return {"arms": entries, "arm_pairs": pairs}


def _views(averaged: Collection[ByQuestion]) -> list[_View]:
    """Returns a view for each suite and, with several suites, for the pooled mean and the mean of suites.

    The pooled mean is omitted if all suites have the same number of questions, because it is then equal to
    the mean of suites.
    """
    suites = list(dict.fromkeys(suite for questions in averaged for suite, _ in questions))
    views = [_View(suite, (frozenset({suite}),)) for suite in suites]
    if len(suites) < 2:
        return views
    counts = [Counter(suite for suite, _ in questions) for questions in averaged]
    if any(len({count[suite] for suite in suites}) > 1 for count in counts):
        views.append(_View(POOLED, (frozenset(suites),)))
    views.append(_View(MACRO, tuple(frozenset({suite}) for suite in suites)))
    return views


def _average(name: str, results: Sequence[Results], metrics: Sequence[str]) -> ByQuestion:
    """Returns the means over the seeds, for each question that all seeds of the arm answered."""
    if not results:
        raise UsageError(f"The arm '{name}' has no results; name at least one results file.")
    means: ByQuestion = {}
    for suite in dict.fromkeys(result.suite for result in results):
        seeds = [result for result in results if result.suite == suite]
        if len({result.method for result in seeds}) > 1:
            raise UsageError(
                f"The arm '{name}' has results of '{suite}' with different methods, "
                "which cannot be averaged; make one arm for each method."
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
        # Without questions in one of the groups, the average of this view does not exist.
        return None
    # metric -> one list of values (questions of the group,) for each group
    columns = {metric: [[values[metric] for values in group] for group in groups] for metric in metrics}
    by_seed = _by_seed(results, view, metrics)
    methods = [result.method for result in results if any(result.suite in suites for suites in view.groups)]
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
        "methods": list(dict.fromkeys(methods)),
    }


def _by_seed(results: Sequence[Results], view: _View, metrics: Sequence[str]) -> list[dict[str, float]]:
    """Returns the means of each seed: one object (metric -> mean) for each seed.

    The i-th results file of every suite is taken as the i-th seed. If the suites have different numbers of
    files, the number of seeds is the smallest of these numbers.
    """
    by_suite: dict[str, list[Results]] = {}
    for result in results:
        if any(result.suite in suites for suites in view.groups):
            by_suite.setdefault(result.suite, []).append(result)
    seeds = []
    for number in range(min(map(len, by_suite.values()))):
        groups = [
            [
                row
                for suite in sorted(suites)
                if suite in by_suite
                for row in by_suite[suite][number].per_question
            ]
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
    """Returns the minimum, the maximum and the standard deviation of `values`.

    `values` (seeds,) are the means of one metric, one for each training seed.

    The standard deviation has the divisor (number of seeds - 1). It is None for a single seed.
    """
    deviation = None
    if len(values) > 1:
        mean = _mean(values)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return {"min": min(values), "max": max(values), "sd": deviation}


def _pair(
    first: tuple[str, ByQuestion],
    second: tuple[str, ByQuestion],
    view: _View,
    metrics: Sequence[str],
    settings: CompareSettings,
) -> dict[str, Any] | None:
    """Returns the paired tests of the differences: arm `first` minus arm `second`.

    `first` and `second` have the arm's name and the values of its questions. Returns None if, in one group of
    suites of `view`, the arms share no question.
    """
    (a, a_questions), (b, b_questions) = first, second
    groups = [
        [key for key in a_questions if key in b_questions and key[0] in suites] for suites in view.groups
    ]
    if not all(groups):
        return None
    n = sum(map(len, groups))
    differences = {}
    for metric in metrics:
        # one pair for each group: the values of a and of b, both (shared questions of the group,)
        columns = [
            ([a_questions[key][metric] for key in keys], [b_questions[key][metric] for key in keys])
            for keys in groups
        ]
        difference = paired_macro_difference(columns, settings.bootstrap, settings.seed, settings.test)
        differences[metric] = as_json(difference, n)
    return {"suite": view.label, "a": a, "b": b, "n": n, "metrics": differences}
