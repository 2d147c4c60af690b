"""The curves of the training stages: the loss of SFT, and the rewards and other metrics of RL."""

from __future__ import annotations

import math
from typing import Any

from masksearch.report.charts.lines import Points, line_chart
from masksearch.report.load import Row, Stage

SHARES = (0.0, 100.0)
"""Limits of the charts of shares, which are drawn in percent."""
_RL_CHARTS = (
    ("Reward", ("reward",), None),
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
    """Returns the charts of a training stage's log, each as `{"stage", "title", "legend", "svg"}`.

    Charts without any value in the log are left out.
    """
    if not stage.log:
        return []
    wanted = _RL_CHARTS if any("reward" in row for row in stage.log) else (("Loss", ("loss",), None),)
    drawn = _sources(stage)
    for title, keys, limits in wanted:
        scale = 100.0 if limits == SHARES else 1.0
        series = [(plain_words(key), points) for key in keys if (points := _points(stage.log, key, scale))]
        if series:
            drawn.append(
                {
                    "stage": stage.name,
                    "title": title,
                    "legend": [name for name, _ in series],
                    "svg": line_chart(series, "step", limits),
                }
            )
    return drawn


def _sources(stage: Stage) -> list[Row]:
    """Returns the chart of the rows of each batch by their source, if the training mixes several sources."""
    counted = [
        {"step": row.get("step"), **row["sources"]} for row in stage.log if _is_table(row.get("sources"))
    ]
    names = dict.fromkeys(name for row in counted for name in row if name != "step")
    series = [(name, points) for name in names if (points := _points(counted, name, 1.0))]
    if len(series) < 2:
        return []
    return [
        {
            "stage": stage.name,
            "title": "Rows of each batch by source",
            "legend": [name for name, _ in series],
            "svg": line_chart(series, "step"),
        }
    ]


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
