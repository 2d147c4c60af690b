"""DAPO and its relatives as settings of TRL's GRPOTrainer, and what TRL lacks: leave-one-out advantages, and means over the rollouts that have loss.

| | advantage | ratio | loss |
| --- | --- | --- | --- |
| dapo (arXiv 2503.14476) | (R - mean) / std | of a token | sum over all model tokens of the step / their number |
| grpo (2402.03300) | (R - mean) / std | of a token | mean over each rollout's tokens, then over rollouts |
| dr-grpo (2503.20783) | R - mean | of a token | sum over tokens / (rollouts x a constant length) |
| rloo (2402.14740) | R - mean of the others | of a token | sum over each rollout's tokens, mean over rollouts |
| gspo (2507.18071) | (R - mean) / std | of a rollout: the geometric mean of its tokens' | mean over rollouts |

All clip the ratio. RLOO was published without ratio and clip; here each batch is trained on once, by the model that wrote it, so the ratio is 1
but for rounding and the gradient is A times that of the rollout's log-probability, which is RLOO's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from masksearch.train.rl.dynamic_sampling import Group
from masksearch.train.settings import Estimator


@dataclass(frozen=True)
class Recipe:
    """`loss`, `scale` and `level` as GRPOConfig's `loss_type`, `scale_rewards` and `importance_sampling_level` take them."""

    loss: str
    scale: str
    level: str
    leave_one_out: bool = False

    @property
    def by_rollout(self) -> bool:
        """Whether the loss is a mean over rollouts, so that those without loss would water it down."""
        return self.loss != "dapo"


RECIPES: dict[Estimator, Recipe] = {
    "dapo": Recipe("dapo", "group", "token"),
    "grpo": Recipe("grpo", "group", "token"),
    "dr-grpo": Recipe("dr_grpo", "none", "token"),
    # TRL's `luspo` with ratios of tokens sums over a rollout's tokens and takes the mean over rollouts.
    "rloo": Recipe("luspo", "none", "token", leave_one_out=True),
    "gspo": Recipe("grpo", "group", "sequence"),
}


def leave_one_out(centred: torch.Tensor, rewarded: torch.Tensor, group_size: int) -> torch.Tensor:
    """R - mean of the others, from R - mean of the group, both (B,): that times n / (n - 1), where n rollouts of the group have a reward (`rewarded`, (B,)).

    0 where a rollout is the only one: it has nothing to be compared with.
    """
    counts = rewarded.view(-1, group_size).sum(dim=1).repeat_interleave(group_size).to(centred.dtype)
    return torch.where(counts > 1, centred * counts / (counts - 1).clamp(min=1), torch.zeros_like(centred))


def share_with_loss(mask: torch.Tensor) -> torch.Tensor:
    """Share of the rows of a mask (B, T) that have a token with loss; 1 where none has (the loss is 0 then)."""
    share = (mask.sum(dim=1) > 0).float().mean()
    return torch.where(share > 0, share, torch.ones_like(share))


def cut_short(group: Group) -> list[bool]:
    """Which rollouts of a group were cut off at a limit of tokens."""
    return [rollout.episode.trajectory.status == "too_long" for rollout in group.rollouts]


def without_cut(masks: Sequence[list[int]], groups: Sequence[Group]) -> list[list[int]]:
    """Masks of a batch, a row a rollout, with those of rollouts that were cut short all 0: DAPO's overlong filtering."""
    cut = [one for group in groups for one in cut_short(group)]
    return [[0] * len(mask) if one else mask for mask, one in zip(masks, cut, strict=True)]
