"""The reward of exported tasks in verl, told from a rollout's text: that of `masksearch rl` (scoring/rewards), with the same settings and defaults.

Named to verl as its custom reward function, with `compute_score` as the name; `reward_kwargs.reward` holds settings (settings.py, RewardSettings) where
they are others than by default. For rollouts in our tags whose loop stops at `</search>` and puts `<information>` behind it, as Search-R1's does; where
nothing can be searched, set `gated` to false. The text does not tell how many tokens the model wrote, so that the length penalty is 0 here, and
no judge can be asked: integrations/verl, an agent loop of verl's, has the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.agent.protocol import Answer, is_valid, parse_turn
from masksearch.scoring.rewards import figures, reward_answer
from masksearch.scoring.settings import RewardSettings
from masksearch.types import Turn, task_from_json

# What stands right behind </search> is the tool's: a loop that stops there leaves the model no place to forge it. Retrieved text has no such tag.
_SHOWN = re.compile(r"(?<=</search>)(\s*<information>.*?</information>\s*)", re.DOTALL)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    reward: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, float]:
    """`score`, and what it is made of, of a rollout's text; `extra_info` is that of the exported row.

    Raises ValueError without it, or where the reward is a judge's verdict.
    """
    if not extra_info or "task" not in extra_info:
        raise ValueError("extra_info lacks the field 'task', which masksearch export writes")
    settings = RewardSettings.model_validate(dict(reward or {}))
    if settings.answer == "judge":
        raise ValueError(
            "the verdict of a judge is no reward that verl's custom function can have; train with masksearch rl, or choose another reward.answer"
        )
    data = json.loads(extra_info["task"])
    turns = turns_of(solution_str)
    searches = sum(turn.role == "tool" for turn in turns)
    ledger = reward_answer(
        final_answer(turns),
        task_from_json(data),
        str(data["answer_form"]),
        is_valid(turns),
        0,
        settings,
        searches=searches,
        turns=turns,
    )
    assert ledger.total is not None, "only a judge leaves a rollout without a reward"
    return {"score": ledger.total, **figures(ledger, settings)}


def turns_of(text: str) -> list[Turn]:
    """A rollout's text as turns of the model and the tool."""
    parts = _SHOWN.split(text)
    return [
        Turn(role="tool" if place % 2 else "model", text=part) for place, part in enumerate(parts) if part
    ]


def final_answer(turns: Sequence[Turn]) -> str:
    """What the last turn answers; "" where it does not."""
    action = parse_turn(turns[-1].text) if turns and turns[-1].role == "model" else None
    return action.text if isinstance(action, Answer) else ""
