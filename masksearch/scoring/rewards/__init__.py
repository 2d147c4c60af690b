"""Rewards with a ledger.

`ledger` computes the reward of a rollout and records every component, `components` holds the components,
`credit` assigns per-mask credit to search turns, `judge_reward` asks the judge for verdicts, `dapo` is
DAPO's arithmetic.
"""

from masksearch.scoring.rewards.components import (
    fill_rewards,
    first_shown,
    recall_with_length,
    repeated_fills,
    soft_overlong,
)
from masksearch.scoring.rewards.credit import credit_by_turn, group_baseline, token_credits
from masksearch.scoring.rewards.dapo import (
    ADVANTAGE_EPSILON,
    dapo_objective,
    group_advantages,
    group_is_informative,
)
from masksearch.scoring.rewards.judge_reward import VERDICTS, ask_judge, open_judge
from masksearch.scoring.rewards.ledger import (
    Ledger,
    awaits_verdict,
    figures,
    is_solved,
    reward_answer,
    reward_trajectory,
)

__all__ = [
    "ADVANTAGE_EPSILON",
    "VERDICTS",
    "Ledger",
    "ask_judge",
    "awaits_verdict",
    "credit_by_turn",
    "dapo_objective",
    "figures",
    "fill_rewards",
    "first_shown",
    "group_advantages",
    "group_baseline",
    "group_is_informative",
    "is_solved",
    "open_judge",
    "recall_with_length",
    "repeated_fills",
    "reward_answer",
    "reward_trajectory",
    "soft_overlong",
    "token_credits",
]
