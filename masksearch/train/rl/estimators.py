"""DAPO and related algorithms, each expressed as settings of TRL's GRPOTrainer.

    algorithm  advantage                   ratio        loss
    dapo       (R - mean) / std            per token    sum over the step's model tokens / their number
    grpo       (R - mean) / std            per token    mean over each rollout's tokens, then over rollouts
    dr-grpo    R - mean                    per token    sum over tokens / (rollouts x a constant length)
    rloo       R - mean of other rollouts  per token    sum over a rollout's tokens, mean over rollouts
    gspo       (R - mean) / std            per rollout  mean over rollouts

R is a rollout's reward; mean and std are those of its group. The ratio is the new probability over the old
one; the ratio of a gspo rollout is the geometric mean of its tokens' ratios. Sources on arXiv: dapo
2503.14476, grpo 2402.03300, dr-grpo 2503.20783, rloo 2402.14740, gspo 2507.18071.

TRL has no leave-one-out advantages (rloo), and its means over rollouts include rollouts without loss. This
module has the functions that compute the former and correct the latter.

All five algorithms clip the ratio here, although RLOO was published without ratio and clip. This changes
little: each batch is trained on once, by the model that wrote it, so the ratio is 1 up to rounding. The
gradient is then the advantage times the gradient of the rollout's log-probability, as in RLOO.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from masksearch.train.settings import Estimator


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: the values of three GRPOConfig arguments, and the kind of advantage.

    `loss` is the value of `loss_type`, `scale` of `scale_rewards`, `level` of `importance_sampling_level`.
    """

    loss: str
    scale: str
    level: str
    leave_one_out: bool = False

    @property
    def by_rollout(self) -> bool:
        """Whether the loss is a mean over rollouts, so that rollouts without loss would make it too small."""
        return self.loss != "dapo"


ALGORITHMS: dict[Estimator, Algorithm] = {
    "dapo": Algorithm("dapo", "group", "token"),
    "grpo": Algorithm("grpo", "group", "token"),
    "dr-grpo": Algorithm("dr_grpo", "none", "token"),
    # TRL's `luspo` with a ratio per token sums over a rollout's tokens and takes the mean over rollouts.
    "rloo": Algorithm("luspo", "none", "token", leave_one_out=True),
    "gspo": Algorithm("grpo", "group", "sequence"),
}


def leave_one_out(centred: torch.Tensor, rewarded: torch.Tensor, group_size: int) -> torch.Tensor:
    """Returns leave-one-out advantages (B,): each reward R minus the mean reward of the other rollouts.

    `centred` (B,) is R minus the mean of the whole group, and `rewarded` (B,) is True for rollouts with a
    reward. With n rewarded rollouts in a group, the result is `centred` times n / (n - 1). If n is 1, the
    result is 0, because there is no other reward to compare with.
    """
    in_group = rewarded.view(-1, group_size).sum(dim=1)  # (groups,)
    counts = in_group.repeat_interleave(group_size).to(centred.dtype)  # (B,)
    # `where` discards the quotient if counts is 1; the clamp only avoids a division by 0 there.
    return torch.where(counts > 1, centred * counts / (counts - 1).clamp(min=1), torch.zeros_like(centred))


def share_with_loss(mask: torch.Tensor) -> torch.Tensor:
    """Returns the share of the rows of a mask (B, T) that have a token with loss; 1 if no row has one.

    The loss is divided by this share. If no row has loss, the loss is 0, and 0 / 0 would be NaN.
    """
    share = (mask.sum(dim=1) > 0).float().mean()
    return torch.where(share > 0, share, torch.ones_like(share))
