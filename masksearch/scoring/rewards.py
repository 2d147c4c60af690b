"""Rewards with a ledger, and DAPO's arithmetic (arXiv 2503.14476) as pure numpy.

reward = w_f1 * F1 + w_format * valid + w_overlong * soft_overlong(model tokens). F1 comes from `scoring.metrics`, the same
code that evaluates. The weights are ours (the paper gives none). What is not part of a reward is no part of the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from masksearch.scoring.metrics import score_task
from masksearch.settings import RewardSettings
from masksearch.types import MaskedTask, Question, Record, Score

Floats = npt.NDArray[np.float64]
ADVANTAGE_EPSILON = 1e-4
"""Added to a group's standard deviation, as TRL's GRPOTrainer does."""


class Ledger(Record):
    """Every component of one rollout's reward, raw and weighted. `total` is the sum of the weighted ones."""

    f1: float
    format: float
    """1 for a valid trajectory, otherwise 0."""
    overlong: float
    """In [-1, 0]."""
    weighted_f1: float
    weighted_format: float
    weighted_overlong: float
    total: float


def soft_overlong(model_tokens: int, max_tokens: int, cache_tokens: int) -> float:
    """DAPO's length penalty (equation 13), in [-1, 0]: 0 up to max - cache, falling linearly to -1 at max, -1 beyond.

    Lengths count tokens the model wrote; retrieved text costs nothing. Raises ValueError unless cache_tokens > 0.
    """
    if cache_tokens <= 0:
        raise ValueError("cache_tokens must be greater than 0")
    if model_tokens > max_tokens:
        return -1.0
    return min(0.0, max(-1.0, (max_tokens - cache_tokens - model_tokens) / cache_tokens))


def reward(score: Score, valid: bool, model_tokens: int, settings: RewardSettings) -> Ledger:
    """The reward of one rollout; `score` is that of its final answer (`metrics.score_task`)."""
    overlong = soft_overlong(model_tokens, settings.max_tokens, settings.cache_tokens)
    weighted = (settings.f1 * score.f1, settings.format * float(valid), settings.overlong * overlong)
    return Ledger(
        f1=score.f1,
        format=float(valid),
        overlong=overlong,
        weighted_f1=weighted[0],
        weighted_format=weighted[1],
        weighted_overlong=weighted[2],
        total=sum(weighted),
    )


def reward_answer(answer: str, task: MaskedTask | Question, answer_form: str, valid: bool, model_tokens: int, settings: RewardSettings) -> Ledger:
    """Scores an answer with the evaluation's metric and rewards it."""
    return reward(score_task(answer, task, answer_form), valid, model_tokens, settings)


def group_is_informative(f1s: Sequence[float], solved_at: float) -> bool:
    """DAPO's dynamic sampling, 0 < #correct < G, with "correct" = F1 of at least `solved_at`.

    Thresholded, because continuous rewards are hardly ever all equal, so that a test on equality would keep every group.
    """
    correct = sum(f1 >= solved_at for f1 in f1s)
    return 0 < correct < len(f1s)


def group_advantages(rewards: npt.ArrayLike) -> Floats:
    """A = (R - mean R) / (std R + 1e-4) within each group; `rewards` and the result are (groups, G).

    The standard deviation is unbiased (divided by G - 1), as in TRL 1.16 with scale_rewards="group". A group of
    equal rewards has advantages of 0. Raises ValueError for another shape or G < 2.
    """
    values = np.asarray(rewards, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"rewards must have the shape (groups, G) with G of at least 2, not {values.shape}")
    centred = values - values.mean(axis=1, keepdims=True)
    advantages: Floats = centred / (values.std(axis=1, ddof=1, keepdims=True) + ADVANTAGE_EPSILON)
    return advantages


def dapo_objective(
    logprobs: npt.ArrayLike, old_logprobs: npt.ArrayLike, advantages: npt.ArrayLike, mask: npt.ArrayLike, clip_low: float, clip_high: float
) -> float:
    """DAPO's objective J (equation 8), to be maximised; a trainer's loss is -J. A reference for tests of the trainer.

    J = 1 / sum(mask) * sum over tokens of mask * min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), r = exp(logprob - old).
    `logprobs`, `old_logprobs` and `mask` are (B, T), mask 1 at model tokens; `advantages` is (B,). Values at masked
    tokens are never looked at. 0 if the mask is empty. Raises ValueError where the shapes disagree.
    """
    new, old = np.asarray(logprobs, dtype=np.float64), np.asarray(old_logprobs, dtype=np.float64)
    kept, scale = np.asarray(mask).astype(bool), np.asarray(advantages, dtype=np.float64)
    if new.ndim != 2 or not new.shape == old.shape == kept.shape or scale.shape != new.shape[:1]:
        raise ValueError(f"shapes disagree: logprobs {new.shape}, old {old.shape}, mask {kept.shape}, advantages {scale.shape}")
    if not kept.any():
        return 0.0
    ratio = np.exp(new[kept] - old[kept])
    scale = np.broadcast_to(scale[:, None], new.shape)[kept]
    return float(np.minimum(ratio * scale, np.clip(ratio, 1 - clip_low, 1 + clip_high) * scale).mean())
