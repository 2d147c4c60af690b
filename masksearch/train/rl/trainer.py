"""TRL's GRPOTrainer as RL needs it: the rollout's log-probs are the old ones, the head is applied to model tokens alone, figures are kept of each token.

Advantages are TRL's, made leave-one-out where the algorithm asks for it (train/estimators.py); per-mask credit is added to them last, token by token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import TrainerCallback
from trl import GRPOTrainer

from masksearch.train.alarms import refuse_not_finite
from masksearch.train.distributed import everything, mean_of_all
from masksearch.train.head import apply_head_where_loss
from masksearch.train.rl.estimators import RECIPES, leave_one_out, share_with_loss
from masksearch.train.rl.rollout import RolloutWorker
from masksearch.train.settings import RlSettings


def carried_reward(
    completions: Sequence[Any], carried_reward: Sequence[float | None], **fields: Any
) -> list[float | None]:
    """The reward was computed with the rollout; the trainer only reads it. None: the rollout is left out of its group."""
    return list(carried_reward)


class DapoTrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer with the rollout's log-probs as the old ones, the head on model tokens alone, and no padding computed."""

    def __init__(self, *args: Any, settings: RlSettings, worker: RolloutWorker, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings, self.worker, self.recipe = settings, worker, RECIPES[settings.algorithm]
        self._scoring, self._tokens = False, TokenFigures()
        self.add_callback(NothingLearnt(self))
        self.tokens_with_loss = 0
        apply_head_where_loss(self.model, self.temperature)
        if self.ref_model is not None:
            apply_head_where_loss(self.accelerator.unwrap_model(self.ref_model), self.temperature)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        self._scoring = True
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        self._scoring = False
        self.tokens_with_loss = int(batch["num_items_in_batch"])  # of all processes
        batch["old_per_token_logps"] = batch["sampling_per_token_logps"]
        if self.recipe.leave_one_out:
            rewarded = torch.tensor(
                [row["carried_reward"] is not None for row in inputs], device=batch["advantages"].device
            )
            batch["advantages"] = leave_one_out(batch["advantages"], rewarded, self.settings.group_size)
        add_token_credit(batch, inputs)
        if self.recipe.by_rollout:
            batch["share_with_loss"] = share_with_loss(self.accelerator.gather(_has_loss(batch)))
        return batch

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(*args, **kwargs)
        if "nan" in self.settings.alarms.stop_on:
            refuse_not_finite(mean_of_all(loss), int(self.state.global_step) + 1)
        return loss

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        self._scored = inputs["completion_mask"] * inputs["tool_mask"]
        self._sampled = inputs["sampling_per_token_logps"]
        loss = super()._compute_loss(model, inputs)
        # Rollouts without loss only fill the batch, and must not water down a mean over rollouts.
        return loss / inputs["share_with_loss"] if self.recipe.by_rollout else loss

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Log-probs and entropies (batch, logits_to_keep), zero wherever the model wrote nothing."""
        if self._scoring:
            return self._reference_logps(model, input_ids, attention_mask, logits_to_keep)
        wanted = self._scored.bool()
        logps, entropies = self._score(model, input_ids, attention_mask, wanted)
        if torch.is_grad_enabled():
            self._tokens.add(logps.detach()[wanted], self._sampled[wanted], entropies.detach()[wanted])
        return logps, entropies, None

    def _score(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, wanted: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probs and entropies of the wanted ones of the last tokens (batch, kept); 0 elsewhere. Rows that want none are not computed at all."""
        # One is computed all the same where no row wants any: processes that share a model have to run it equally often.
        rows = (
            wanted.any(dim=1).nonzero()[:, 0]
            if wanted.any()
            else torch.zeros(1, dtype=torch.long, device=wanted.device)
        )
        columns = self._score_rows(model, input_ids[rows], attention_mask[rows], wanted[rows])
        logps, entropies = (column.new_zeros(wanted.shape).index_copy(0, rows, column) for column in columns)
        return logps, entropies

    def _score_rows(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, wanted: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `_score`, for all of these rows; columns that are padding in each of them are left out."""
        kept = wanted.shape[1]
        labels = torch.full_like(input_ids, -100)
        labels[:, -kept:][wanted] = input_ids[:, -kept:][wanted]
        used = attention_mask.any(dim=0).nonzero()[:, 0]
        first, last = int(used[0]), int(used[-1]) + 1
        with self.accelerator.autocast():
            outputs = model(
                input_ids=input_ids[:, first:last],
                attention_mask=attention_mask[:, first:last],
                labels=labels[:, first:last],
                fused_lm_head=True,
            )
        after = input_ids.shape[1] - last
        logps, entropies = (
            torch.nn.functional.pad(column, (first, after))[:, -kept:]
            for column in (outputs.log_probs, outputs.entropy)
        )
        return logps, entropies

    def _reference_logps(
        self, model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, kept: int
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Those of all tokens of the rollouts, whoever wrote them, a few rows at a time; for the KL term, which looks at the model's alone."""
        size = self.settings.micro_batch_size
        rows = [slice(start, start + size) for start in range(0, len(input_ids), size)]
        parts = [
            self._score(model, input_ids[some], attention_mask[some], attention_mask[some, -kept:].bool())
            for some in rows
        ]
        return (
            torch.cat([logps for logps, _ in parts]),
            torch.cat([entropies for _, entropies in parts]),
            None,
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the figures of the rollouts and of the tokens, so that trackers have them too."""
        if "loss" in logs:
            logs |= {f"rollout/{name}": value for name, value in self.worker.logged().items()}
            for name, value in self._tokens.take().items():
                self._metrics["train"][f"model/{name}"] = [value]
        super().log(logs, start_time)


class NothingLearnt(TrainerCallback):  # type: ignore[misc]
    """Leaves the weights alone in a step without a token with loss: of gradients that are zero, AdamW would still apply its momentum and weight decay."""

    def __init__(self, trainer: DapoTrainer) -> None:
        self.trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self.trainer.tokens_with_loss:
            self.trainer.optimizer.zero_grad(set_to_none=True)


def _has_loss(batch: Mapping[str, Any]) -> torch.Tensor:
    """Whether each row of a batch has a token with loss, as a column (B, 1) of 0 and 1."""
    mask: torch.Tensor = batch["completion_mask"] * batch["tool_mask"]
    return (mask.sum(dim=1, keepdim=True) > 0).long()


class TokenFigures:
    """Means of a step over all its tokens with loss, gathered micro-batch by micro-batch, in the end from all processes."""

    def __init__(self) -> None:
        self.sums: list[tuple[int, float, float, float, float]] = []

    def add(self, logps: torch.Tensor, sampled: torch.Tensor, entropies: torch.Tensor) -> None:
        """Takes in some tokens (n,): log-probs now, log-probs of the rollout, entropies."""
        if len(logps):
            change = logps - sampled
            ratio = torch.exp(change)
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
        """The means, and the greatest ratio; nothing where there was no token. Begins anew."""
        found, self.sums = everything(self.sums), []
        if not found:
            return {}
        counts, entropies, ratios, gaps, greatest = zip(*found, strict=True)
        means = {
            name: sum(sums) / sum(counts)
            for name, sums in (("entropy", entropies), ("ratio", ratios), ("logprob_gap", gaps))
        }
        return means | {"ratio_max": max(greatest)}


def add_token_credit(batch: dict[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Per-mask credit, where the rollouts brought any: the advantages (batch,) become (batch, completion tokens), each with its token's credit added."""
    if not rows or "token_credit" not in rows[0]:
        return
    credit = torch.zeros(
        batch["completion_ids"].shape, dtype=batch["advantages"].dtype, device=batch["advantages"].device
    )
    for place, row in enumerate(rows):
        values = torch.tensor(row["token_credit"], dtype=credit.dtype, device=credit.device)
        credit[place, : len(values)] = values
    batch["advantages"] = batch["advantages"].unsqueeze(1) + credit
