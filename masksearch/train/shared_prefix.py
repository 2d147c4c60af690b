"""Saves a CPU a part of the forward pass over rows of different length, in one of two ways.

Every prompt starts with the same system message and instruction: 70 tokens with SmolLM2's tokenizer, 23% of a
trajectory on Wikipedia summaries. The model reads them once, as a batch of one row, and the rows read on from
their keys and values.

Longer rows are read whole, but without an attention mask: padding that stands only at the end is never seen
by a token before it, and without a mask torch's attention computes only half of the pairs of positions. On
rows of 600 tokens both ways take the same time; on rows of 1,100 tokens the second takes 19% less
(docs/log.md, 2026-11-30).

Losses and gradients are the same up to rounding. A GPU is faster with one pass over more tokens, so nothing
changes there.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache

SHORTEST = 16
"""Number of shared tokens from which a second pass is worth its overhead."""
LEAST_SHARE = 0.2
"""Share of the rows' length from which shared tokens save more than rows without a mask."""
KNOWN = {"input_ids", "attention_mask", "use_cache"}
"""Arguments of a forward pass that can be split between the two passes."""


def shared_length(input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> int:
    """Returns the number of tokens at the start that are the same in all rows and predict no label.

    The tensors are (batch, length). Returns 0 for a single row.
    """
    if len(input_ids) < 2:
        return 0
    same = (input_ids == input_ids[:1]).all(dim=0) & attention_mask.bool().all(dim=0)  # (length,)
    same[:-1] &= (labels[:, 1:] == -100).all(dim=0)  # the position before a label predicts it
    same[-1] = False  # keeps a token for the second pass
    return int(same.long().cumprod(dim=0).sum())


def padded_at_end(attention_mask: torch.Tensor) -> bool:
    """Whether padding stands only at the end of the rows of a mask (batch, length)."""
    mask = attention_mask.bool()
    return bool(mask[:, 0].all() and (mask[:, 1:] <= mask[:, :-1]).all())


def can_share(model: Any, arguments: dict[str, Any]) -> bool:
    """Whether the model's forward pass can be split after a prefix, or run without a mask, and is faster so.

    Activation checkpointing and multiple processes need whole passes, and models with other caches than keys
    and values of all positions cannot be split.
    """
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    return (
        model.device.type == "cpu"
        and set(arguments) <= KNOWN
        and arguments.get("attention_mask") is not None
        and arguments["attention_mask"].dim() == 2
        and set(layers) == {"full_attention"}
        and getattr(config, "sliding_window", None) is None
        and not recomputes(model)
        and not torch.distributed.is_initialized()
    )


def recomputes(model: Any) -> bool:
    """Whether a layer of the model uses activation checkpointing, which excludes a cache."""
    names = ("gradient_checkpointing", "activation_checkpointing")
    return any(getattr(module, name, False) is True for module in model.modules() for name in names)


def hidden_states(model: Any, arguments: dict[str, Any], shared: int) -> torch.Tensor:
    """Returns a base model's last hidden states (batch, length, width); 0 at the `shared` first positions.

    The gradient reaches the shared tokens through their keys and values.
    """
    ids, attention = arguments["input_ids"], arguments["attention_mask"]
    cache = DynamicCache(config=model.config.get_text_config())
    model(input_ids=ids[:1, :shared], past_key_values=cache, use_cache=True)
    for layer in cache.layers:
        layer.keys = layer.keys.expand(len(ids), -1, -1, -1)  # (batch, heads, shared, width of a head)
        layer.values = layer.values.expand(len(ids), -1, -1, -1)
    rest = model(
        input_ids=ids[:, shared:], attention_mask=attention, past_key_values=cache, use_cache=True
    ).last_hidden_state  # (batch, length - shared, width)
    return torch.nn.functional.pad(rest, (0, 0, shared, 0))
