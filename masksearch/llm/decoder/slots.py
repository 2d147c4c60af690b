"""A key-value cache of fixed slots, and attention that reads it without repeating grouped heads.

Each running sequence owns a slot of a preallocated tensor, so that sequences of any length decode side by side and
a tool's text is prefilled into its slot alone. Any `transformers` model whose attention goes through the
attention interface and the cache's `update` works.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache

ATTENTION = "masksearch_slots"


class SlotCache(Cache):  # type: ignore[misc]
    """Keys and values of shape (slots, kv_heads, length, head_dim) for every layer; grows by doubling its length.

    Before a forward pass `aim` says which slots the rows of the batch are and at which positions their tokens stand.
    """

    def __init__(
        self, config: Any, slots: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.kv_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, slots, self.kv_heads, length, self.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.rows: torch.Tensor | int = slots
        self.positions = torch.zeros((slots, 1), dtype=torch.long, device=device)
        self.span = 1
        self.layers: list[Any] = []

    @property
    def length(self) -> int:
        """Tokens a slot can hold at present."""
        return self.keys.shape[3]

    # Tensors made in inference mode may be changed in it alone, and a forward pass may have grown these.
    @torch.inference_mode()
    def grow(self, length: int) -> bool:
        """Makes room for `length` tokens a slot; whether the tensors had to move for it."""
        if length <= self.length:
            return False
        extra = max(length, 2 * self.length) - self.length
        self.keys = torch.nn.functional.pad(self.keys, (0, 0, 0, extra))
        self.values = torch.nn.functional.pad(self.values, (0, 0, 0, extra))
        return True

    @torch.inference_mode()
    def copy(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` tokens of a slot into another one."""
        self.keys[:, target, :, :length] = self.keys[:, source, :, :length]
        self.values[:, target, :, :length] = self.values[:, source, :, :length]

    def aim(self, rows: torch.Tensor | int, positions: torch.Tensor, span: int) -> None:
        """`rows`: slot of each batch row, or n for the first n slots; `positions` (batch, tokens); `span`: longest prefix read."""
        self.rows, self.positions, self.span = rows, positions, span

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores (batch, kv_heads, tokens, head_dim) at the aimed positions; returns the aimed slots up to `span`."""
        keys, values = self.keys[layer_idx], self.values[layer_idx]
        slots = torch.arange(self.rows, device=keys.device) if isinstance(self.rows, int) else self.rows
        keys[slots[:, None], :, self.positions] = key_states.transpose(1, 2)
        values[slots[:, None], :, self.positions] = value_states.transpose(1, 2)
        if isinstance(self.rows, int):
            return keys[: self.rows, :, : self.span], values[: self.rows, :, : self.span]
        return keys[self.rows, :, : self.span], values[self.rows, :, : self.span]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Longest prefix in use (positions are always given explicitly)."""
        return self.span


def slot_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Grouped-query attention with the groups laid along the query axis, so that keys and values are never copied.

    query (batch, heads, tokens, dim), key and value (batch, kv_heads, span, dim), mask (batch, 1, tokens, span)
    boolean; returns (batch, tokens, heads, dim).
    """
    batch, heads, tokens, dim = query.shape
    kv_heads = key.shape[1]
    groups = heads // kv_heads
    folded = query.reshape(batch, kv_heads, groups * tokens, dim)
    mask = attention_mask if tokens == 1 else attention_mask.repeat(1, 1, groups, 1)
    out = torch.nn.functional.scaled_dot_product_attention(folded, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(batch, heads, tokens, dim).transpose(1, 2), None


AttentionInterface.register(ATTENTION, slot_attention)
