"""DAPO's arithmetic (arXiv 2503.14476) as pure numpy: which groups say something, their advantages, the objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ADVANTAGE_EPSILON = 1e-4
"""Added to a group's standard deviation, as TRL's GRPOTrainer does."""


def group_is_informative(answers: Sequence[float | None], solved_at: float) -> bool:
    """DAPO's dynamic sampling, 0 < #correct < G, with "correct" = an answer reward of at least `solved_at`.

    Thresholded, because continuous rewards are hardly ever all equal, so that a test on equality would keep every group. None is a rollout that
    was left out (it has no verdict), and counts on neither side.
    """
    known = [answer for answer in answers if answer is not None]
    correct = sum(answer >= solved_at for answer in known)
    return 0 < correct < len(known)


def group_advantages(rewards: npt.ArrayLike) -> Floats:
    """A = (R - mean R) / (std R + 1e-4) within each group; `rewards` and the result are (groups, G).

    The standard deviation is unbiased (divided by n - 1), as in TRL 1.16 with scale_rewards="group". A group of
    equal rewards has advantages of 0. A reward of NaN is that of a rollout that was left out: mean and deviation are those of the n others, its
    own advantage is 0, and in a group of fewer than 2 others all are. Raises ValueError for another shape or G < 2.
    """
    values = np.asarray(rewards, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"rewards must have the shape (groups, G) with G of at least 2, not {values.shape}")
    known = ~np.isnan(values)
    counts = known.sum(axis=1, keepdims=True)
    means = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(counts, 1)
    centred = np.where(known, values - means, 0.0)
    deviations = np.sqrt((centred**2).sum(axis=1, keepdims=True) / np.maximum(counts - 1, 1))
    advantages: Floats = np.where(counts >= 2, centred / (deviations + ADVANTAGE_EPSILON), 0.0)
    return advantages


def dapo_objective(
    logprobs: npt.ArrayLike,
    old_logprobs: npt.ArrayLike,
    advantages: npt.ArrayLike,
    mask: npt.ArrayLike,
    clip_low: float,
    clip_high: float,
) -> float:
    """DAPO's objective J (equation 8), to be maximised; a trainer's loss is -J. A reference for tests of the trainer.

    J = 1 / sum(mask) * sum over tokens of mask * min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), r = exp(logprob - old).
    `logprobs`, `old_logprobs` and `mask` are (B, T), mask 1 at model tokens; `advantages` is (B,). Values at masked
    tokens are never looked at. 0 if the mask is empty. Raises ValueError where the shapes disagree.
    """
    new, old = np.asarray(logprobs, dtype=np.float64), np.asarray(old_logprobs, dtype=np.float64)
    kept, scale = np.asarray(mask).astype(bool), np.asarray(advantages, dtype=np.float64)
    if new.ndim != 2 or not new.shape == old.shape == kept.shape or scale.shape != new.shape[:1]:
        raise ValueError(
            f"shapes disagree: logprobs {new.shape}, old {old.shape}, mask {kept.shape}, advantages {scale.shape}"
        )
    if not kept.any():
        return 0.0
    ratio = np.exp(new[kept] - old[kept])
    scale = np.broadcast_to(scale[:, None], new.shape)[kept]
    return float(np.minimum(ratio * scale, np.clip(ratio, 1 - clip_low, 1 + clip_high) * scale).mean())
