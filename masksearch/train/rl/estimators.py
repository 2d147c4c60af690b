"""DAPO and its relatives as settings of TRL's GRPOTrainer.

TRL lacks leave-one-out advantages, and means over only the rollouts with loss; both are computed here.

| | advantage | ratio | loss | | --- | --- | --- | --- | | dapo (arXiv 2503.14476) | (R - mean) / std |
per token | sum over the step's model tokens / their number | | grpo (2402.03300) | (R - mean) / std | per
token | mean over each rollout's tokens, then over rollouts | | dr-grpo (2503.20783) | R - mean | per
token | sum over tokens / (rollouts x a constant length) | | rloo (2402.14740) | R - mean of the other
rollouts | per token | sum over a rollout's tokens, mean over rollouts | | gspo (2507.18071) | (R - mean)
/ std | per rollout: geometric mean of its tokens' | mean over rollouts |

All five clip the ratio. RLOO was published without ratio and clip. Here each batch is trained on once, by
the model that wrote it, so the ratio is 1 up to rounding, and the gradient is the advantage times the
gradient of the rollout's log-probability, as in RLOO.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from masksearch.train.settings import Estimator


@dataclass(frozen=True)
class Algorithm:
    """Values of GRPOConfig's `loss_type`, `scale_rewards`, `importance_sampling_level`; the advantage's
    kind."""

    loss: str
    scale: str
    level: str
    leave_one_out: bool = False

    @property
    def by_rollout(self) -> bool:
        """Whether the loss is a mean over rollouts, which rollouts without loss would dilute."""
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
    """Returns R - mean of the group's other rollouts (B,), from `centred` = R - mean of the group (B,).

    This is `centred` times n / (n - 1), with n the number of the group's rollouts that have a reward
    (`rewarded`, (B,)). The only rollout with a reward gets 0, because there is no other
    reward to compare it with.
    """
    in_group = rewarded.view(-1, group_size).sum(dim=1)  # (groups,)
    counts = in_group.repeat_interleave(group_size).to(centred.dtype)  # (B,)
    # The clamp avoids a division by 0 in the branch that `where` discards.
    return torch.where(counts > 1, centred * counts / (counts - 1).clamp(min=1), torch.zeros_like(centred))


def share_with_loss(mask: torch.Tensor) -> torch.Tensor:
    """Returns the share of rows of a mask (B, T) that have a token with loss; 1 instead of a share of 0.

    Without a row with loss the loss is 0, and a share of 0 would make the loss NaN.
    """
    share = (mask.sum(dim=1) > 0).float().mean()
    return torch.where(share > 0, share, torch.ones_like(share))
