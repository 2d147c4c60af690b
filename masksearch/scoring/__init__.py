"""Metrics and rewards: one implementation for training and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksearch.runtime.extras import lazy_names

if TYPE_CHECKING:
    from masksearch.scoring.fills import parse_fills
    from masksearch.scoring.metrics import (
        free_recall,
        normalise,
        score_answer,
        score_task,
    )
    from masksearch.scoring.rewards import (
        Ledger,
        dapo_objective,
        group_advantages,
        group_is_informative,
        reward_answer,
        reward_trajectory,
        soft_overlong,
    )

__all__ = [
    "Ledger",
    "dapo_objective",
    "free_recall",
    "group_advantages",
    "group_is_informative",
    "normalise",
    "parse_fills",
    "reward_answer",
    "reward_trajectory",
    "score_answer",
    "score_task",
    "soft_overlong",
]
__getattr__ = lazy_names(
    __name__,
    {
        "parse_fills": "fills",
        **dict.fromkeys(("free_recall", "normalise", "score_answer", "score_task"), "metrics"),
        **dict.fromkeys(
            (
                "Ledger",
                "dapo_objective",
                "group_advantages",
                "group_is_informative",
                "reward_answer",
                "reward_trajectory",
                "soft_overlong",
            ),
            "rewards",
        ),
    },
)
