"""TRL's GRPOTrainer, changed in its old log-probabilities, its advantages and its use of the head.

The old log-probabilities of the importance ratio are those with which the rollout sampled the tokens. The
advantages are computed by TRL, and turned into leave-one-out advantages if the algorithm needs them
(rl/estimators.py). Then per-mask credit is added to the advantage of each token. The language-model head
is applied only to model tokens. In shapes, B is the number of rollouts, P of prompt tokens, and T of
completion tokens (model and tool tokens).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import TrainerCallback
from trl import GRPOTrainer

from masksearch.train.alarms import refuse_not_finite
from masksearch.train.distributed import gather_lists, mean_over_ranks
from masksearch.train.head import apply_head_where_loss
from masksearch.train.rl.estimators import ALGORITHMS, leave_one_out, share_with_loss
from masksearch.train.rl.rollout import RolloutWorker
from masksearch.train.settings import RlSettings


def carried_reward(
    completions: Sequence[Any], carried_reward: Sequence[float | None], **fields: Any
) -> list[float | None]:
    """Reward function for TRL: returns the rewards that the rollout function already computed.

    None excludes a rollout from the mean and the standard deviation of its group.
    """
    return list(carried_reward)


class DapoTrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer that takes the old log-probs from the rollout and applies the head only to model tokens."""

    def __init__(self, *args: Any, settings: RlSettings, worker: RolloutWorker, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings, self.worker, self.algorithm = settings, worker, ALGORITHMS[settings.algorithm]
        # True while TRL scores a batch before training on it. Only the reference model (KL term) runs then.
        self._scoring = False
        self._tokens = TokenFigures()
        self.add_callback(SkipEmptyUpdate(self))
        self.tokens_with_loss = 0
        apply_head_where_loss(self.model, self.temperature)
        if self.ref_model is not None:
            apply_head_where_loss(self.accelerator.unwrap_model(self.ref_model), self.temperature)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        self._scoring = True
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        self._scoring = False
        self.tokens_with_loss = int(batch["num_items_in_batch"])  # over all ranks
        batch["old_per_token_logps"] = batch["sampling_per_token_logps"]  # (B, T)
        if self.algorithm.leave_one_out:
            rewarded = torch.tensor(  # (B,)
                [row["carried_reward"] is not None for row in inputs], device=batch["advantages"].device
            )
            batch["advantages"] = leave_one_out(batch["advantages"], rewarded, self.settings.group_size)
        add_token_credit(batch, inputs)
        if self.algorithm.by_rollout:
            batch["share_with_loss"] = share_with_loss(self.accelerator.gather(_has_loss(batch)))
        return batch

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(*args, **kwargs)  # ()
        if "nan" in self.settings.alarms.stop_on:
            refuse_not_finite(mean_over_ranks(loss), int(self.state.global_step) + 1)
        return loss

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        self._scored = inputs["completion_mask"] * inputs["tool_mask"]  # (B, T), 1 at tokens with loss
        self._sampled = inputs["sampling_per_token_logps"]  # (B, T)
        loss = super()._compute_loss(model, inputs)  # ()
        # TRL's mean includes rollouts without loss, which only complete the batch. Dividing by the share of
        # rollouts with loss undoes this.
        return loss / inputs["share_with_loss"] if self.algorithm.by_rollout else loss

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Returns log-probs and entropies (B, T) with T = `logits_to_keep`, 0 at tokens without loss.

        `input_ids` and `attention_mask` are (B, P + T).
        """
        if self._scoring:
            return self._reference_logps(model, input_ids, attention_mask, logits_to_keep)
        wanted = self._scored.bool()  # (B, T)
        logps, entropies = self._score(model, input_ids, attention_mask, wanted)
        if torch.is_grad_enabled():
            self._tokens.add(logps.detach()[wanted], self._sampled[wanted], entropies.detach()[wanted])
        return logps, entropies, None

    def _score(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, wanted: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns log-probs and entropies (B, T) of the completion tokens that `wanted` marks, 0 elsewhere.

        `input_ids` and `attention_mask` are (B, P + T), `wanted` is (B, T). Rows without a wanted token
        are not computed.
        """
        if wanted.any():
            rows = wanted.any(dim=1).nonzero()[:, 0]  # (rows,)
        else:
            # Computes one row anyway: with sliced weights all ranks must run the model equally often.
            rows = torch.zeros(1, dtype=torch.long, device=wanted.device)
        columns = self._score_rows(model, input_ids[rows], attention_mask[rows], wanted[rows])
        logps, entropies = (column.new_zeros(wanted.shape).index_copy(0, rows, column) for column in columns)
        return logps, entropies

    def _score_rows(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, wanted: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes `_score` for rows that each have a wanted token; returns tensors (rows, T).

        TRL pads prompts at the left and completions at the right. Here the rows move to the left.
        This saves columns of padding, and all rows then start with the same system message, which a CPU
        computes once (train/shared_prefix.py).
        """
        (rows, width), kept = input_ids.shape, wanted.shape[1]
        labels = torch.full_like(input_ids, -100)  # (rows, P + T)
        labels[:, -kept:][wanted] = input_ids[:, -kept:][wanted]
        columns = columns_without_left_padding(attention_mask)  # (rows, length)
        inside = columns < width
        found = columns.clamp(max=width - 1)
        with self.accelerator.autocast():
            outputs = model(
                input_ids=input_ids.gather(1, found),
                attention_mask=attention_mask.gather(1, found) * inside,
                labels=labels.gather(1, found).masked_fill(~inside, -100),
                fused_lm_head=True,
            )
        # The outputs are (rows, length - 1). Their column j scores the token of column j + 1, which goes back
        # to the column that it came from. Columns from outside go to column P + T, which is cut.
        target = columns[:, 1:].clamp(max=width)
        logps, entropies = (  # each has shape (rows, T)
            column.new_zeros(rows, width + 1).scatter(1, target, column)[:, width - kept : width]
            for column in (outputs.log_probs, outputs.entropy)
        )
        return logps, entropies

    def _reference_logps(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, kept: int
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Returns log-probs and entropies (B, T) of all completion tokens, for the KL term.

        Computes `micro_batch_size` rows at a time. The result includes tool tokens, but the KL term uses
        only the values of model tokens.
        """
        size = self.settings.micro_batch_size
        logps, entropies = [], []
        for start in range(0, len(input_ids), size):
            ids, attention = input_ids[start : start + size], attention_mask[start : start + size]
            part = self._score(model, ids, attention, attention[:, -kept:].bool())
            logps.append(part[0])
            entropies.append(part[1])
        return torch.cat(logps), torch.cat(entropies), None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Logs a row with the metrics of the rollouts and tokens added, so that trackers get them too."""
        if "loss" in logs:
            logs |= {f"rollout/{name}": value for name, value in self.worker.logged().items()}
            for name, value in self._tokens.take().items():
                self._metrics["train"][f"model/{name}"] = [value]
        super().log(logs, start_time)


class SkipEmptyUpdate(TrainerCallback):  # type: ignore[misc]
    """Leaves the weights unchanged in a step in which no token carries loss.

    If the gradients were zero, AdamW would still apply its momentum and weight decay. So the gradients are
    set to None, and AdamW skips the weights.
    """

    def __init__(self, trainer: DapoTrainer) -> None:
        self.trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self.trainer.tokens_with_loss:
            self.trainer.optimizer.zero_grad(set_to_none=True)


def columns_without_left_padding(attention_mask: torch.Tensor) -> torch.Tensor:
    """Returns the columns of each row from its first token on, (rows, length), with the length of the longest
    row.

    Shorter rows continue with the columns of their padding at the right, and then with columns that do not
    exist.
    """
    start = attention_mask.long().argmax(dim=1, keepdim=True)  # (rows, 1)
    after = attention_mask.shape[1] - attention_mask.flip(1).long().argmax(dim=1, keepdim=True)  # (rows, 1)
    length = int((after - start).max())
    return start + torch.arange(length, device=attention_mask.device)


def _has_loss(batch: Mapping[str, Any]) -> torch.Tensor:
    """Whether each row of a batch has a token with loss, as a column (B, 1) of 0 and 1."""
    mask: torch.Tensor = batch["completion_mask"] * batch["tool_mask"]  # (B, T)
    return (mask.sum(dim=1, keepdim=True) > 0).long()


class TokenFigures:
    """Metrics of the tokens with loss: adds up sums over the micro-batches of a step, and returns the
    step's means over all ranks."""

    def __init__(self) -> None:
        self.sums: list[tuple[int, float, float, float, float]] = []

    def add(self, logps: torch.Tensor, sampled: torch.Tensor, entropies: torch.Tensor) -> None:
        """Adds n tokens: their current log-probs, their log-probs in the rollout, and their entropies in
        nats. Each tensor has shape (n,)."""
        if len(logps):
            change = logps - sampled  # (n,)
            ratio = torch.exp(change)  # (n,)
            self.sums.append(
                (
                    len(logps),
                    float(entropies.sum()),
                    float(ratio.sum()),
                    float(change.abs().sum()),
                    float(ratio.max()),
                )
            )

    def take(self) -> dict[str, float]:
        """Returns the means and the greatest ratio over the tokens added since the last call; empty if no
        token was added."""
        found, self.sums = gather_lists(self.sums), []
        if not found:
            return {}
        counts, entropies, ratios, gaps, greatest = zip(*found, strict=True)
        means = {
            name: sum(sums) / sum(counts)
            for name, sums in (("entropy", entropies), ("ratio", ratios), ("logprob_gap", gaps))
        }
        return means | {"ratio_max": max(greatest)}


def add_token_credit(batch: dict[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds per-mask credit to the advantages, which change from shape (B,) to (B, T).

    Does nothing if the rows have no column `token_credit`.
    """
    if not rows or "token_credit" not in rows[0]:
        return
    credit = torch.zeros(  # (B, T)
        batch["completion_ids"].shape, dtype=batch["advantages"].dtype, device=batch["advantages"].device
    )
    for place, row in enumerate(rows):
        values = torch.tensor(row["token_credit"], dtype=credit.dtype, device=credit.device)
        credit[place, : len(values)] = values
    batch["advantages"] = batch["advantages"].unsqueeze(1) + credit  # (B, T)
