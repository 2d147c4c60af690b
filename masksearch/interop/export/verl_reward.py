"""A reward function for verl: computes the reward of `masksearch rl` (scoring/rewards) from a rollout's text.

The tasks must be exported by `masksearch export --to verl`. The settings and defaults are those of
`masksearch rl`. In verl, set this file as the custom reward
function with the name `compute_score`; `reward_kwargs.reward` holds settings that differ from the
defaults (scoring/settings.py, RewardSettings). The rollouts must use our tags, and their loop must stop
at `</search>` and append `<information>`, as Search-R1's does. If the agent cannot search, set `gated` to
false. The text does not show how many tokens the model wrote, so the length penalty is 0 here. A reward with
a judge is not possible. The agent loop in interop/verl applies the length penalty.
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

# A block directly after </search> is the tool's text. The model cannot write such a block, because the loop
# stops its turn at </search>; and retrieved text contains no such tag.
_SHOWN = re.compile(r"(?<=</search>)(\s*<information>.*?</information>\s*)", re.DOTALL)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    reward: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, float]:
    """Returns `score` and its components for a rollout's text (`solution_str`).

    `extra_info` is the field of the exported row.

    Raises ValueError if `extra_info` has no task, or if the reward needs a judge.
    """
    if not extra_info or "task" not in extra_info:
        raise ValueError("extra_info lacks the field 'task', which masksearch export writes")
    settings = RewardSettings.model_validate(dict(reward or {}))
    if settings.answer == "judge":
        raise ValueError(
            "verl's custom reward function cannot ask a judge; train with masksearch rl, or choose another "
            "reward.answer"
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
    """Splits a rollout's text into turns of the model and the tool."""
    parts = _SHOWN.split(text)
    return [
        Turn(role="tool" if place % 2 else "model", text=part) for place, part in enumerate(parts) if part
    ]


def final_answer(turns: Sequence[Turn]) -> str:
    """Returns the answer of the last turn, or an empty string without an answer."""
    action = parse_turn(turns[-1].text) if turns and turns[-1].role == "model" else None
    return action.text if isinstance(action, Answer) else ""
