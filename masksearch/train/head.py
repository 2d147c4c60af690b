"""Applies the language-model head only to positions with loss.

On a CPU, and on devices without Triton, TRL's fused forward pass computes logits at every position. With a
vocabulary of 49 thousand tokens and loss on a quarter of the positions, most of that time and memory is
wasted. The forward pass here computes logits only at positions with a label, and returns the fields that
TRL's trainers read. It splits more than `CHUNK` positions into chunks and recomputes their logits in the
backward pass, so that memory stays bounded.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from trl.trainer.utils import FusedCausalLMOutput

from masksearch.train.shared_prefix import (
    LEAST_SHARE,
    SHORTEST,
    can_share,
    hidden_states,
    padded_at_end,
    shared_length,
)

CHUNK = 1024
"""Maximum number of positions whose logits are in memory at a time."""


def score_positions(
    hidden: torch.Tensor, labels: torch.Tensor, head: torch.nn.Module, temperature: float = 1.0
) -> tuple[torch.Tensor, ...]:
    """Returns the label's log-probability, the entropy, and whether the label is the likeliest token.

    Each of the three tensors has shape (n,); `hidden` has shape (n, width) and `labels` (n,). Only the
    log-probability has a gradient.
    """
    logits = head(hidden).float()  # (n, vocabulary)
    if temperature != 1.0:
        logits = logits / temperature
    logp = torch.log_softmax(logits, dim=-1)  # (n, vocabulary)
    picked = logp.gather(1, labels[:, None])[:, 0]  # (n,)
    with torch.no_grad():
        fixed = logp.detach()
        entropy = -(fixed.exp() * fixed).sum(dim=-1)  # (n,)
        top = fixed.argmax(dim=-1) == labels  # (n,)
    return picked, entropy, top


def score_all(
    hidden: torch.Tensor, labels: torch.Tensor, head: torch.nn.Module, temperature: float
) -> list[torch.Tensor]:
    """Returns `score_positions` for any number of positions; more than one chunk uses activation
    checkpointing."""
    if len(hidden) <= CHUNK:
        return list(score_positions(hidden, labels, head, temperature))
    parts = [
        checkpoint(
            score_positions,
            hidden[start : start + CHUNK],
            labels[start : start + CHUNK],
            head,
            temperature,
            use_reentrant=False,
        )
        for start in range(0, len(hidden), CHUNK)
    ]
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def last_hidden(model: Any, args: Any, kwargs: dict[str, Any], labels: torch.Tensor) -> torch.Tensor:
    """Returns the last hidden states (batch, length, width) of a base model.

    They are 0 at the start that all rows share, if it is computed only once (train/shared_prefix.py).
    """
    if not args and can_share(model, kwargs):
        attention = kwargs["attention_mask"]
        shared = shared_length(kwargs["input_ids"], attention, labels)
        unmasked = padded_at_end(attention)
        least = LEAST_SHARE * attention.shape[1] if unmasked else 0
        if shared >= max(SHORTEST, least):
            return hidden_states(model, kwargs, shared)
        if unmasked:
            kwargs = {name: value for name, value in kwargs.items() if name != "attention_mask"}
    whole: torch.Tensor = model(*args, **kwargs).last_hidden_state
    return whole


def apply_head_where_loss(model: Any, temperature: float = 1.0) -> None:
    """Replaces the model's forward pass for calls with `fused_lm_head=True` and labels.

    TRL's trainers make these calls. The new forward pass computes logits only at positions with a label.
    All other calls go to the original forward pass.
    """
    original = model.forward

    def forward(
        self: Any, *args: Any, fused_lm_head: bool = False, labels: torch.Tensor | None = None, **kwargs: Any
    ) -> Any:
        if not fused_lm_head or labels is None:
            return original(*args, **({} if labels is None else {"labels": labels}), **kwargs)
        items = kwargs.pop("num_items_in_batch", None)
        kwargs["use_cache"] = False
        # The hidden state at a position predicts the token after it.
        hidden = last_hidden(self.base_model, args, kwargs, labels)[:, :-1]  # (batch, length - 1, width)
        targets = labels[:, 1:].to(hidden.device)  # (batch, length - 1)
        mask = targets != -100  # (batch, length - 1), True at the n positions with a label
        head = self.get_output_embeddings()
        columns = score_all(hidden[mask], targets[mask], head, temperature)  # three tensors of shape (n,)
        # masked_scatter keeps the loss connected to the weights even if no position has a label.
        log_probs, entropy, top = (  # (batch, length - 1) each, 0 without a label
            column.new_zeros(mask.shape).masked_scatter(mask, column) for column in columns
        )
        loss = -log_probs.sum() / (mask.sum().clamp(min=1) if items is None else items)
        return FusedCausalLMOutput(
            loss=loss,
            log_probs=log_probs,
            entropy=entropy,
            log_sum_sq_probs=None,
            mean_logits=None,
            is_top1=top,
            label_mask=mask,
            aux_loss=None,
        )

    model.forward = types.MethodType(forward, model)
