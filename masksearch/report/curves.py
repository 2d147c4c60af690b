"""The curves of the training stages: the losses of SFT, and the rewards and other metrics of RL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from masksearch.report.charts.lines import Points, line_chart
from masksearch.report.charts.svg import figure
from masksearch.report.load import Row, Stage

SHARES = (0.0, 100.0)
"""Limits of the charts of shares, which are drawn in percent."""
LEAST_VALUES = 3
"""Number of different values below which a short series is put into words."""
SHORT = 10
"""Maximum number of points of a short series."""
FIRST = ("Reward", "Held-out F1 (%)")
"""Charts that the page shows first."""
Series = Sequence[tuple[str, Points]]
"""(name, points) of each line of a chart."""
_SFT_CHARTS = (("Loss", ("loss", "heldout_loss"), None),)
_RL_CHARTS = (
    ("Reward", ("reward",), None),
    ("Held-out F1 (%)", ("heldout_f1",), SHARES),
    (
        "Reward by component",
        (
            "reward_answer",
            "reward_grounding",
            "reward_format",
            "reward_overlong",
            "reward_no_answer",
            "reward_no_search",
        ),
        None,
    ),
    ("F1, valid format (%)", ("f1", "valid"), SHARES),
    (
        "Answers: reward, exact match, recall, verdicts (%)",
        ("answer", "em", "recall", "judge"),
        SHARES,
    ),
    ("No answer, no search, masks whose gold was shown (%)", ("no_answer", "no_search", "found"), SHARES),
    ("Grounded answers without a false quote (%)", ("grounding",), SHARES),
    ("Length penalty", ("overlong",), (-1.0, 0.0)),
    ("Rollouts left out because they lack a verdict", ("left_out",), None),
    ("Loss", ("loss",), None),
    ("Model tokens per rollout", ("model_tokens",), None),
    ("Groups", ("groups_sampled", "groups_kept"), None),
    ("Searches per rollout", ("searches",), None),
    ("Log-probability per token of right rollouts", ("right_logprob",), None),
    ("Entropy", ("entropy",), None),
)


def plain_words(key: str) -> str:
    """Turns a key into words: `model_tokens` becomes `model tokens`."""
    return key.replace("_", " ")


def curves(stage: Stage) -> list[Row]:
    """Returns the charts of a training stage's log, each as `{"stage", "title", "legend", "svg", "flat"}`.

    Charts without any value in the log are left out. `flat` has the values of a chart in words if all its
    series are constant, or short with fewer than LEAST_VALUES different values; otherwise it is empty.
    """
    if not stage.log:
        return []
    wanted = _RL_CHARTS if any("reward" in row for row in stage.log) else _SFT_CHARTS
    drawn = []
    for title, keys, limits in wanted:
        scale = 100.0 if limits == SHARES else 1.0
        series = [(plain_words(key), points) for key in keys if (points := _points(stage.log, key, scale))]
        if series:
            drawn.append(_chart(stage, title, series, limits))
    return drawn + _sources(stage)


def all_curves(stages: Iterable[Stage]) -> tuple[list[Row], list[Row]]:
    """Returns the charts of all stages that are drawn, and those that are only put into words.

    Rewards and held-out scores come first, then the rest in the order of the stages.
    """
    charts = [chart for stage in stages for chart in curves(stage)]
    drawn = sorted(
        (chart for chart in charts if not chart["flat"]), key=lambda one: one["title"] not in FIRST
    )
    return drawn, [chart for chart in charts if chart["flat"]]


def _chart(stage: Stage, title: str, series: Series, limits: tuple[float, float] | None) -> Row:
    flat = not any(_changes(points) for _, points in series)
    return {
        "stage": stage.name,
        "title": title,
        "legend": [name for name, _ in series],
        "svg": line_chart(series, "step", limits),
        "flat": [f"{name}: {_in_words(points)}" for name, points in series] if flat else [],
    }


def _changes(points: Points) -> bool:
    different = len({value for _, value in points})
    return different > 1 and (different >= LEAST_VALUES or len(points) > SHORT)


def _in_words(points: Points) -> str:
    """Returns `0.1 at every step`, or each value with its step."""
    values = {value for _, value in points}
    if len(values) == 1 and len(points) > 1:
        return f"{figure(points[0][1])} at every step"
    return ", ".join(f"{figure(value)} at step {figure(step)}" for step, value in points)


def _sources(stage: Stage) -> list[Row]:
    """Returns the chart of the rows of each batch by their source, if the training mixes several sources."""
    counted = [
        {"step": row.get("step"), **row["sources"]} for row in stage.log if _is_table(row.get("sources"))
    ]
    names = dict.fromkeys(name for row in counted for name in row if name != "step")
    series = [(name, points) for name in names if (points := _points(counted, name, 1.0))]
    return [_chart(stage, "Rows of each batch by source", series, None)] if len(series) > 1 else []


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _points(log: list[Row], key: str, scale: float) -> Points:
    """Returns the (step, scale * value) pairs of one metric, the key `key` of the log rows, sorted by step.

    A resumed run may log a step twice; the last value counts.
    """
    found: dict[float, float] = {}
    for row in log:
        step, value = row.get("step"), row.get(key)
        if isinstance(step, int | float) and isinstance(value, int | float) and math.isfinite(value):
            found[float(step)] = scale * float(value)
    return sorted(found.items())
