"""The plots of scores and of differences, one drawing for each metric. The page shows the chosen metric.

A row of the interval plot is one evaluation. Evaluations of several training seeds are one row, with the
mean, its interval over seeds and questions, and a dot for each seed. Their values come from the arms of the
run's comparisons, or are computed in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from masksearch.evaluation.compare.entries import label, variant
from masksearch.evaluation.compare.formatting import is_score, metric_name
from masksearch.evaluation.compare.units import distinct
from masksearch.report.charts.forest import Compared, forest_chart
from masksearch.report.charts.intervals import Interval, interval_chart
from masksearch.report.charts.svg import COLOURS
from masksearch.report.conclusion.paired import Difference, difference_of
from masksearch.report.conclusion.score_rows import interval_of
from masksearch.report.conclusion.suites import Side, label_of, stage_of, suites_of
from masksearch.report.load import Row, Run, Stage
from masksearch.report.scores import COMPARISONS
from masksearch.types import Results

FIRST = "f1"
"""The metric that the page shows at first, and without JavaScript."""
METRICS = (
    FIRST,
    "em",
    "em_all",
    "recall",
    "valid",
    "right",
    "cover_em",
    "cover_em_all",
    "sub_em",
    "judge_strict",
    "judge_relaxed",
    "judge_frames",
    "judge_fresheval_strict",
    "judge_fresheval_relaxed",
    "fanoutqa_loose",
    "fanoutqa_strict",
    "parts_recall",
    "parts_all",
    "evidence_recall",
    "evidence",
    "grounded",
    "supported",
    "false_quotes",
)
"""Metrics of the interval plot, in the order of the choice."""


class Plot(NamedTuple):
    """The drawing of one metric."""

    metric: str
    name: str
    drawing: Markup


_Values = tuple[float, tuple[float, float] | None, tuple[float, ...]]
"""Value of a metric, its interval, and the values of the seeds."""


class _Line(NamedTuple):
    """A row of the interval plot before a metric is chosen."""

    suite: str
    n: int
    name: str
    metrics: Mapping[str, _Values]


def metric_choices(groups: Iterable[Sequence[Plot]]) -> list[tuple[str, str]]:
    """Returns (metric, name) of every metric that a plot has: F1 first, then in the order of METRICS."""
    found = {plot.metric: plot.name for plots in groups for plot in plots}
    order = [*(metric for metric in METRICS if metric in found), *(m for m in found if m not in METRICS)]
    return [(metric, found[metric]) for metric in order]


def _title(metric: str) -> str:
    name = metric_name(metric)
    return name[:1].upper() + name[1:]


# -- scores -------------------------------------------------------------------------------------------------


def interval_plots(run: Run) -> list[Plot]:
    """Plots every score with its 95% interval, grouped by suite.

    Rows with the same name have the same colour in all suites and metrics.
    """
    lines = _lines(run)
    colours = {name: place % COLOURS for place, name in enumerate(dict.fromkeys(line.name for line in lines))}
    plots = []
    for metric in METRICS:
        groups: dict[str, list[Interval]] = {}
        for line in lines:
            if metric in line.metrics:
                value, limits, seeds = line.metrics[metric]
                row = Interval(line.name, value, *(limits or (value, value)), colours[line.name], seeds)
                groups.setdefault(f"{line.suite} (n = {line.n})", []).append(row)
        if groups:
            plots.append(Plot(metric, _title(metric), interval_chart(list(groups.items()))))
    return plots


def _lines(run: Run) -> list[_Line]:
    """Returns the rows by suite: evaluations in the order of the run, then means over seeds."""
    arms = [*_arms(run)]
    covered = {stage for _, stages in arms for stage in stages}
    sides = [side for side in _seeded(run) if not covered & set(side.stages)]
    covered |= {stage for side in sides for stage in side.stages}
    lines = [
        *_evaluations(run, covered),
        *(line for line, _ in arms),
        *(_of_side(side) for side in sides),
    ]
    suites = [line.suite for line in lines]
    return sorted(lines, key=lambda line: suites.index(line.suite))


def _evaluations(run: Run, covered: set[str]) -> Iterator[_Line]:
    stages = [stage for stage in run.stages if stage.results and (stage.run or stage.name not in covered)]
    named = [(stage, stage.results, name_of(stage, stage.results)) for stage in stages if stage.results]
    same = Counter((results.suite, results.n, name) for _, results, name in named)
    for stage, results, name in named:
        metrics: dict[str, _Values] = {
            metric: (results.metrics[metric], results.intervals.get(metric), ())
            for metric in METRICS
            if metric in results.metrics
        }
        alone = same[results.suite, results.n, name] == 1
        yield _Line(results.suite, results.n, name if alone else stage.title, metrics)


def _arms(run: Run) -> Iterator[tuple[_Line, frozenset[str]]]:
    """Yields the arms with several seeds of the run's comparisons, and the stages of their evaluations."""
    seen = set()
    for stage in run.stages:
        for arm in (stage.comparison or {}).get("arms", ()) if not stage.run else ():
            stages = frozenset(stage_of(str(source)) for source in arm.get("sources", ()))
            key = (arm["suite"], arm["arm"], stages)
            if arm["seeds"] > 1 and key not in seen:
                seen.add(key)
                yield (
                    _Line(str(arm["suite"]), arm["n"], _seeds(arm["arm"], arm["seeds"]), _of_arm(arm)),
                    stages,
                )


def _of_arm(arm: Row) -> dict[str, _Values]:
    found = {}
    for metric, value in arm["metrics"].items():
        limits = arm["intervals"].get(metric)
        seeds = tuple(seed[metric] for seed in arm["by_seed"] if metric in seed)
        found[metric] = (value, (limits[0], limits[1]) if limits else None, seeds)
    return found


def _seeded(run: Run) -> list[Side]:
    """Returns the models of several training seeds that were evaluated on the same suite."""
    sides = (side for suite in suites_of(run) for side in (*suite.sides, *suite.degraded))
    return [side for side in sides if len(distinct(side.results)) > 1]


def _of_side(side: Side) -> _Line:
    metrics: dict[str, _Values] = {}
    trained = distinct(side.results)
    for metric in METRICS:
        value = side.mean(metric)
        if value is not None:
            seeds = tuple(results.metrics[metric] for results in trained)
            metrics[metric] = (value, interval_of(side, metric), seeds)
    return _Line(side.first.suite, side.n, _seeds(label_of(side), len(trained)), metrics)


def _seeds(name: str, count: int) -> str:
    return f"{name} ({count} seeds)"


def name_of(stage: Stage, results: Results) -> str:
    """Returns an evaluation's name: the model, then the method (if it is not `agent`), the name of a degraded
    search, and the name of the run (if it is not the page's own)."""
    changed = variant(results).name
    parts = [label(results), results.method if results.method != "agent" else "", changed, stage.run]
    return ", ".join(filter(None, parts))


# -- differences --------------------------------------------------------------------------------------------


def forest_plots(comparison: Row) -> list[Plot]:
    """Plots every difference that a comparison tests, grouped by suite, for each metric that it has."""
    tested = [(pair, *names(pair)) for _, key, _, names in COMPARISONS for pair in comparison.get(key, ())]
    metrics = dict.fromkeys(metric for pair, _, _ in tested for metric in pair["metrics"])
    order = [*(metric for metric in METRICS if metric in metrics), *(m for m in metrics if m not in METRICS)]
    return [_forest(metric, tested) for metric in order]


def _forest(metric: str, tested: Sequence[tuple[Row, str, str]]) -> Plot:
    groups: dict[str, list[Compared]] = {}
    for pair, name, against in tested:
        test = difference_of(pair, metric)
        if test:
            row = _compared(name, against, test, 100.0 if is_score(metric) else 1.0)
            groups.setdefault(str(pair["suite"]), []).append(row)
    unit = "percentage points" if is_score(metric) else metric_name(metric)
    return Plot(metric, _title(metric), forest_chart(list(groups.items()), unit))


def _compared(name: str, against: str, test: Difference, scale: float) -> Compared:
    over = f"over {against}, {test.unit or f'n {test.n}'}"
    return Compared(
        name,
        over,
        scale * test.value,
        scale * test.low,
        scale * test.high,
        test.chance,
        test.shown,
    )
