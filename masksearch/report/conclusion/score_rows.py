"""The rows of the one table of scores at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.evaluation.compare.entries import shared_ids, value
from masksearch.evaluation.compare.units import distinct, scores
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics.crossed import crossed_interval
from masksearch.report.conclusion.paired import METRIC
from masksearch.report.conclusion.suites import Side, Suite, label_of
from masksearch.report.load import Row, Run


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one model with one method on one suite, as shares in [0, 1]; None where unknown."""

    suite: str
    model: str
    n: int
    seeds: int
    f1: float | None
    interval: tuple[float, float] | None
    em: float | None
    valid: float | None
    evidence: float | None


def score_rows(run: Run, suites: Sequence[Suite]) -> list[ScoreRow]:
    """Returns the rows: the arms of the run's comparisons, averaged over seeds, or else its evaluations.

    The interval of a model with several seeds treats seeds and questions as crossed units.
    """
    arms = [
        _arm_row(arm)
        for stage in run.stages
        if stage.comparison and stage.done and not stage.run
        for arm in stage.comparison.get("arms", [])
    ]
    covered = {row.suite for row in arms}
    order = [suite.name for suite in suites]
    rows = arms + [row for suite in suites if suite.name not in covered for row in _side_rows(suite)]
    return sorted(rows, key=lambda row: order.index(row.suite) if row.suite in order else len(order))


def _arm_row(arm: Row) -> ScoreRow:
    metrics = arm["metrics"]
    interval = arm["intervals"].get("f1")
    return ScoreRow(
        suite=str(arm["suite"]),
        model=str(arm["arm"]),
        n=int(arm["n"]),
        seeds=int(arm["seeds"]),
        f1=metrics.get("f1"),
        interval=(interval[0], interval[1]) if interval else None,
        em=metrics.get("em"),
        valid=metrics.get("valid"),
        evidence=metrics.get("evidence_recall"),
    )


def _side_rows(suite: Suite) -> list[ScoreRow]:
    sides = [*suite.sides, *suite.degraded]
    names = [label_of(side) for side in sides]
    return [
        ScoreRow(
            suite=suite.name,
            model=name if names.count(name) == 1 else f"{name} [{side.name}]",
            n=side.n,
            seeds=len(side.results),
            f1=side.mean("f1"),
            interval=interval_of(side),
            em=side.mean("em"),
            valid=side.mean("valid"),
            evidence=side.mean("evidence_recall"),
        )
        for name, side in zip(names, sides, strict=True)
    ]


def interval_of(side: Side, metric: str = METRIC) -> tuple[float, float] | None:
    """Returns the interval of a side's score: that of its evaluation, or one over seeds and questions.

    None if a question lacks the metric.
    """
    results = distinct(side.results)
    if len(results) == 1:
        return results[0].intervals.get(metric)
    ids, defaults = shared_ids(results), CompareSettings()
    known = all(value(row, metric) is not None for one in results for row in one.per_question)
    if not ids or not known:
        return None
    return crossed_interval([[scores(results, metric, ids)]], defaults.bootstrap, defaults.seed)
