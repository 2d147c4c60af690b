"""DAPO's arithmetic (arXiv 2503.14476) in numpy: informative groups, advantages, the objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ADVANTAGE_EPSILON = 1e-4
"""Added to a group's standard deviation, as in TRL's GRPOTrainer."""


def is_correct(answer: float, solved_at: float) -> bool:
    """Whether an answer reward is above `solved_at`, or is the full reward of 1.

    The comparison is strict because one of two masks, or half of an answer's words, give exactly 0.5.
    """
    return answer > solved_at or answer >= 1.0


def group_is_informative(answers: Sequence[float | None], solved_at: float) -> bool:
    """DAPO's dynamic sampling (the constraint of equation 8): whether 0 < number of correct rollouts < G.

    `answers` are the answer rewards of a group's rollouts; `is_correct` says which of them are
    correct. A test whether all rewards are equal would keep every group, because continuous rewards are
    hardly ever equal. None is a rollout without a verdict; it counts neither as correct nor in G.
    """
    known = [answer for answer in answers if answer is not None]
    correct = sum(is_correct(answer, solved_at) for answer in known)
    return 0 < correct < len(known)


def group_advantages(rewards: npt.ArrayLike) -> Floats:
    """Returns A = (R - mean R) / (std R + 1e-4) within each group (DAPO, equation 9).

    `rewards` and the result are (groups, G).

    The standard deviation is unbiased (divided by n - 1), as in TRL 1.16 with scale_rewards="group". A
    group of equal rewards has advantages of 0. A reward of NaN marks a rollout that was left out: mean and
    deviation are computed over the other n rollouts, its own advantage is 0, and with n < 2 all advantages
    of the group are 0. Raises ValueError for another shape or G < 2.
    """
    values = np.asarray(rewards, dtype=np.float64)  # (groups, G)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"rewards must have the shape (groups, G) with G of at least 2, not {values.shape}")
    known = ~np.isnan(values)  # (groups, G)
    counts = known.sum(axis=1, keepdims=True)  # (groups, 1)
    means = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(counts, 1)  # (groups, 1)
    centred = np.where(known, values - means, 0.0)  # (groups, G)
    variances = (centred**2).sum(axis=1, keepdims=True) / np.maximum(counts - 1, 1)  # (groups, 1)
    deviations = np.sqrt(variances)
    advantages: Floats = np.where(counts >= 2, centred / (deviations + ADVANTAGE_EPSILON), 0.0)  # (groups, G)
    return advantages


def dapo_objective(
    logprobs: npt.ArrayLike,
    old_logprobs: npt.ArrayLike,
    advantages: npt.ArrayLike,
    mask: npt.ArrayLike,
    clip_low: float,
    clip_high: float,
) -> float:
    """Returns DAPO's objective J (equation 8); a trainer's loss is -J. For tests of the trainer.

    J = 1 / sum(mask) * sum over tokens of mask * min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), with
    the ratio r = exp(logprob - old logprob). `logprobs`, `old_logprobs` and `mask` are (B, T), mask 1 at
    model tokens; `advantages` is (B,). Values at tokens with mask 0 are ignored. Returns 0 if the mask is
    all 0. Raises ValueError if the shapes disagree.
    """
    new, old = np.asarray(logprobs, dtype=np.float64), np.asarray(old_logprobs, dtype=np.float64)  # (B, T)
    kept = np.asarray(mask).astype(bool)  # (B, T)
    scale = np.asarray(advantages, dtype=np.float64)  # (B,)
    if new.ndim != 2 or not new.shape == old.shape == kept.shape or scale.shape != new.shape[:1]:
        raise ValueError(
            f"shapes disagree: logprobs {new.shape}, old {old.shape}, mask {kept.shape}, "
            f"advantages {scale.shape}"
        )
    if not kept.any():
        return 0.0
    ratio = np.exp(new[kept] - old[kept])  # (model tokens,)
    scale = np.broadcast_to(scale[:, None], new.shape)[kept]  # (model tokens,)
    clipped = np.clip(ratio, 1 - clip_low, 1 + clip_high)
    return float(np.minimum(ratio * scale, clipped * scale).mean())
