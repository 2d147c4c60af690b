"""Compares the arms of an experiment.

An arm has results of several training seeds, which answered the same questions. Its score is the mean over
both, and the arms are compared in pairs over the questions that they share. Intervals and p values treat
seeds and questions as crossed units (see `evaluation.crossed`). With one seed in each arm they come from
resampling the questions, and do not cover the variation between seeds. Each arm also has the mean of every
seed and the spread of these means.

A question is a unit by its suite and its id: under two seeds it is still one question.

With several suites there are two averages. In the `mean of suites` every suite has the same weight. In
`all suites` every question has the same weight; this average is left out if all suites have the same size.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from masksearch.errors import UsageError
from masksearch.evaluation.compare.entries import Loaded, shared_ids, value
from masksearch.evaluation.compare.formatting import is_score
from masksearch.evaluation.compare.pairs import MACRO, as_json
from masksearch.evaluation.compare.units import check_seeds, scores, unit
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics.crossed import Suite, crossed_difference, crossed_interval
from masksearch.types import Results

POOLED = "all suites"


class _View(NamedTuple):
    """A way to average questions: the mean over `groups` of each group's mean.

    A single suite and the pooled mean of all suites have one group; the mean of suites has one group for each
    suite.
    """

    label: str
    groups: tuple[tuple[str, ...], ...]
    """Each group has the names of suites, whose questions are pooled."""

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites of all groups."""
        return tuple(suite for group in self.groups for suite in group)


class _Arm(NamedTuple):
    """The results of an arm: suite -> one result for each seed, and the ids that all of them answered.

    The i-th result of every suite is the same seed.
    """

    name: str
    seeds: dict[str, list[Loaded]]
    ids: dict[str, list[str]]

    def covers(self, view: _View) -> bool:
        """Whether the arm has questions in every group of a view."""
        return all(any(self.ids.get(suite) for suite in group) for group in view.groups)

    def results(self, suite: str) -> list[Results]:
        """Returns the results of a suite, one for each seed."""
        return [entry.results for entry in self.seeds.get(suite, [])]

    def scores(self, suite: str, ids: Sequence[str], metric: str) -> Suite:
        """Returns the values of a metric, (seeds, questions), in the order of `ids`."""
        return scores(self.results(suite), metric, ids)


def compare_arms(
    arms: Mapping[str, Sequence[Loaded]], metrics: Sequence[str], settings: CompareSettings
) -> dict[str, Any]:
    """Returns the entries of all arms and the paired tests between them.

    The form is `{"arms": [entry of one arm on one suite, ...], "arm_pairs": [tests of one pair of arms on one
    suite, ...]}`. With several suites, the averages over suites have entries and tests too. A difference is
    the later arm minus the earlier arm, so the control should be listed first. A metric is left out if any
    row of any arm lacks it. Raises UsageError for an arm without results, with two methods on one suite, or
    with the same results as two seeds.
    """
    rows = [row for entries in arms.values() for entry in entries for row in entry.results.per_question]
    metrics = [name for name in metrics if all(value(row, name) is not None for row in rows)]
    loaded = [_load(name, entries) for name, entries in arms.items()]
    entries, pairs = [], []
    for view in _views(loaded):
        entries += [_entry(arm, view, metrics, settings) for arm in loaded if arm.covers(view)]
        for b, a in combinations(loaded, 2):
            pair = _pair(a, b, view, metrics, settings)
            if pair:
                pairs.append(pair)
    return {"arms": entries, "arm_pairs": pairs}


def _load(name: str, entries: Sequence[Loaded]) -> _Arm:
    """Sorts an arm's results by suite and seed."""
    if not entries:
        raise UsageError(f"The arm '{name}' has no results; name at least one results file.")
    seeds: dict[str, list[Loaded]] = {}
    for entry in entries:
        seeds.setdefault(entry.results.suite, []).append(entry)
    for suite, members in seeds.items():
        if len({entry.results.method for entry in members}) > 1:
            raise UsageError(
                f"The arm '{name}' has results of '{suite}' with different methods, "
                "which cannot be averaged; make one arm for each method."
            )
        check_seeds(name, members)
    seeds = _in_one_order(seeds)
    ids = {suite: shared_ids([entry.results for entry in members]) for suite, members in seeds.items()}
    return _Arm(name, seeds, ids)


def _in_one_order(seeds: Mapping[str, list[Loaded]]) -> dict[str, list[Loaded]]:
    """Sorts the seeds of every suite as those of the first suite, by their checkpoints.

    If the suites do not have the same checkpoints, each only once, the order of the files stays: the i-th
    file of every suite is then taken as the i-th seed.
    """
    models = {suite: [_model(entry) for entry in members] for suite, members in seeds.items()}
    first = next(iter(models.values()))
    if not all(len(set(found)) == len(found) and set(found) == set(first) for found in models.values()):
        return dict(seeds)
    return {suite: [seeds[suite][found.index(model)] for model in first] for suite, found in models.items()}


def _model(entry: Loaded) -> str:
    return str(entry.results.settings.get("model") or entry.results.model)


def _views(arms: Collection[_Arm]) -> list[_View]:
    """Returns a view for each suite and, with several suites, for the pooled mean and the mean of suites.

    The pooled mean is omitted if all suites have the same number of questions, because it is then equal to
    the mean of suites.
    """
    suites = tuple(dict.fromkeys(suite for arm in arms for suite, ids in arm.ids.items() if ids))
    views = [_View(suite, ((suite,),)) for suite in suites]
    if len(suites) < 2:
        return views
    if any(len({len(arm.ids.get(suite, ())) for suite in suites}) > 1 for arm in arms):
        views.append(_View(POOLED, (suites,)))
    views.append(_View(MACRO, tuple((suite,) for suite in suites)))
    return views


def _entry(arm: _Arm, view: _View, metrics: Sequence[str], settings: CompareSettings) -> dict[str, Any]:
    suites = [suite for suite in view.suites if arm.ids.get(suite)]
    # metric -> the scores of each group
    scores = {metric: _scores(arm, view, arm.ids, metric) for metric in metrics}
    by_seed = _by_seed(arm, view, metrics)
    n = sum(len(arm.ids[suite]) for suite in suites)
    methods = [results.method for suite in suites for results in arm.results(suite)]
    return {
        "arm": arm.name,
        "suite": view.label,
        "seeds": len(by_seed),
        "n": n,
        "unit": unit([_counts(arm, suites)], n, len(suites)),
        "metrics": {metric: _macro(groups) for metric, groups in scores.items()},
        "intervals": {
            metric: list(crossed_interval(groups, settings.bootstrap, settings.seed, is_score(metric)))
            for metric, groups in scores.items()
        },
        "by_seed": by_seed,
        "spread": {metric: _spread([seed[metric] for seed in by_seed]) for metric in metrics},
        "methods": list(dict.fromkeys(methods)),
        "sources": [entry.source for suite in suites for entry in arm.seeds[suite]],
    }


def _scores(arm: _Arm, view: _View, ids: Mapping[str, Sequence[str]], metric: str) -> list[list[Suite]]:
    """Returns an arm's scores for `ids` (suite -> ids), for each group of a view."""
    return [
        [arm.scores(suite, ids[suite], metric) for suite in group if ids.get(suite)] for group in view.groups
    ]


def _counts(arm: _Arm, suites: Sequence[str]) -> set[int]:
    """Returns the numbers of seeds of the suites."""
    return {len(arm.seeds[suite]) for suite in suites}


def _macro(groups: Sequence[Sequence[Suite]]) -> float:
    """Returns the mean over the groups of the mean of their questions, averaged over the seeds."""
    means = [[float(mean) for suite in group for mean in suite.mean(axis=0)] for group in groups]
    return _mean([_mean(group) for group in means])


def _by_seed(arm: _Arm, view: _View, metrics: Sequence[str]) -> list[dict[str, float]]:
    """Returns the means of each seed: one object (metric -> mean) for each seed.

    If the suites have different numbers of seeds, only as many seeds as the suite with the fewest are
    averaged.
    """
    present = [[arm.results(suite) for suite in group if arm.seeds.get(suite)] for group in view.groups]
    fewest = min(len(results) for group in present for results in group)
    seeds = []
    for number in range(fewest):
        groups = [[row for results in group for row in results[number].per_question] for group in present]
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
    a: _Arm, b: _Arm, view: _View, metrics: Sequence[str], settings: CompareSettings
) -> dict[str, Any] | None:
    """Returns the paired tests of the differences: arm `a` minus arm `b`.

    Returns None if, in one group of suites of `view`, the arms share no question.
    """
    ids = {
        suite: shared_ids([*a.results(suite), *b.results(suite)])
        for suite in view.suites
        if a.ids.get(suite) and b.ids.get(suite)
    }
    if not all(any(ids.get(suite) for suite in group) for group in view.groups):
        return None
    suites = [suite for suite in view.suites if ids.get(suite)]
    n = sum(len(ids[suite]) for suite in suites)
    counts = [_counts(arm, suites) for arm in (a, b)]
    differences = {}
    for metric in metrics:
        first, second = (_scores(arm, view, ids, metric) for arm in (a, b))
        found = crossed_difference(first, second, settings.bootstrap, settings.seed, settings.test)
        differences[metric] = as_json(found, n)
    return {
        "suite": view.label,
        "a": a.name,
        "b": b.name,
        "n": n,
        "seeds": [max(count) for count in counts],
        "unit": unit(counts, n, len(suites)),
        "metrics": differences,
    }
