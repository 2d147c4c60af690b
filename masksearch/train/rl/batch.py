"""Builds the batch that the rollout function returns to TRL's trainer: tokens, masks, rewards, credit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksearch.scoring.rewards import credit_by_turn, group_baseline, token_credits
from masksearch.train.rl.dynamic_sampling import Group, Rollout


def to_batch(groups: Sequence[Group], pad_id: int) -> dict[str, Any]:
    """Returns the columns of a batch; each column has one entry per rollout.

    An entry of `prompt_ids` has one value per prompt token. Entries of `completion_ids`, `logprobs` and
    `env_mask` have one value per model or tool token; the mask is 1 at model tokens that carry loss. An
    entry of `carried_reward` is a number, or None for a rollout without a reward. The tokens of such a
    rollout carry no loss.
    """
    columns: dict[str, list[Any]] = {
        "prompt_ids": [],
        "completion_ids": [],
        "logprobs": [],
        "env_mask": [],
        "carried_reward": [],
    }
    for group in groups:
        for rollout in group.rollouts:
            record = rollout.episode.record
            if record is None or not record.ids:
                # The model wrote no token, for example because the prompt fills the session's token limit.
                # The trainer expects at least one token.
                prompt = record.prompt_ids if record else [pad_id]
                ids, mask, logprobs = [pad_id], [0], [0.0]
            else:
                prompt, ids, mask, logprobs = record.prompt_ids, record.ids, record.mask, record.logprobs
            columns["prompt_ids"].append(prompt)
            columns["completion_ids"].append(ids)
            columns["logprobs"].append(logprobs)
            columns["env_mask"].append(mask if is_trained(group, rollout) else [0] * len(mask))
            columns["carried_reward"].append(rollout.ledger.total)
    return columns


def cut_short(group: Group) -> list[bool]:
    """Returns for each rollout of a group whether a token limit cut it off."""
    return [rollout.episode.trajectory.status == "too_long" for rollout in group.rollouts]


def mask_cut_short(masks: Sequence[list[int]], groups: Sequence[Group]) -> list[list[int]]:
    """Returns the loss masks of a batch, set to 0 for rollouts that a token limit cut off.

    This is DAPO's overlong filtering (section 3.4).
    """
    cut = [is_cut for group in groups for is_cut in cut_short(group)]
    return [[0] * len(mask) if is_cut else mask for mask, is_cut in zip(masks, cut, strict=True)]


def credit_columns(
    groups: Sequence[Group], masks: Sequence[Sequence[int]], weight: float
) -> dict[str, list[Any]]:
    """Returns the column `token_credit`: the per-mask credit of each token.

    Per-mask credit rewards a search turn for finding the answers of the task's masks. The trainer adds it
    to the token's advantage. `masks` is the batch's `env_mask`. Returns an empty dict if `weight` is 0.
    """
    if not weight:
        return {}
    rest = iter(masks)
    rows: list[list[float]] = []
    for group in groups:
        rows += _group_credits(group, [next(rest) for _ in group.rollouts], weight)
    return {"token_credit": rows}


def _group_credits(group: Group, masks: Sequence[Sequence[int]], weight: float) -> list[list[float]]:
    credits = [
        credit_by_turn(rollout.episode.trajectory.turns, rollout.ledger.found)
        if is_trained(group, rollout)
        else []
        for rollout in group.rollouts
    ]
    baseline = group_baseline(credits)
    return [
        token_credits(mask, credit, baseline, weight) for mask, credit in zip(masks, credits, strict=True)
    ]


def is_trained(group: Group, rollout: Rollout) -> bool:
    """Whether the model tokens of a rollout carry loss: its group is trained on, and it has a reward."""
    return group.trained and rollout.ledger.total is not None


def fate(group: Group, rollout: Rollout, in_batch: bool) -> str:
    """Returns the value of the field `fate` in rollouts.jsonl: what happened to a rollout.

    "put back": dynamic sampling dropped its group. "silent": its group is in the batch, but without loss.
    "left out": its group is trained on, but the rollout has no reward. "trained": it was trained on.
    """
    if not in_batch:
        return "put back"
    if not group.trained:
        return "silent"
    return "trained" if rollout.ledger.total is not None else "left out"
