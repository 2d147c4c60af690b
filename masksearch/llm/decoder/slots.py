"""A key-value cache with fixed slots, and grouped-query attention that does not copy its keys and values.

Each running sequence owns a slot of a preallocated tensor. So sequences of any length decode in one batch,
and a tool's text is prefilled into its slot alone. `llm/decoder/model_slots.py` makes both known to
`transformers`.
"""

from __future__ import annotations

from typing import Any

import torch


class SlotCache:
    """Keys and values of every layer, (slots, kv_heads, length, head_dim) each.

    Grows by doubling its length. Before a forward pass, `aim` sets the slots of the batch rows and the
    positions of their tokens.
    """

    def __init__(
        self, config: Any, slots: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.kv_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        # (layers, slots, kv_heads, length, head_dim)
        shape = (config.num_hidden_layers, slots, self.kv_heads, length, self.head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.rows: torch.Tensor | int = slots
        self.positions = torch.zeros((slots, 1), dtype=torch.long, device=device)
        self.span = 1

    @property
    def length(self) -> int:
        """Number of tokens for which a slot has memory now."""
        return self.keys.shape[3]

    # `grow` creates its tensors during a forward pass, in inference mode. Such tensors can be changed only in
    # inference mode, so the methods that change them use it too.
    @torch.inference_mode()
    def grow(self, length: int) -> bool:
        """Makes room for `length` tokens in each slot; returns whether new tensors were allocated."""
        if length <= self.length:
            return False
        extra = max(length, 2 * self.length) - self.length
        self.keys = torch.nn.functional.pad(self.keys, (0, 0, 0, extra))
        self.values = torch.nn.functional.pad(self.values, (0, 0, 0, extra))
        return True

    @torch.inference_mode()
    def copy(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` tokens of slot `source` into slot `target`."""
        self.keys[:, target, :, :length] = self.keys[:, source, :, :length]
        self.values[:, target, :, :length] = self.values[:, source, :, :length]

    def aim(self, rows: torch.Tensor | int, positions: torch.Tensor, span: int) -> None:
        """Sets the slots and positions of the next forward pass.

        `rows` holds the slot of each batch row, or is n for the first n slots; `positions` has shape
        (batch, tokens); `span` is the longest prefix that attention reads, in tokens.
        """
        self.rows, self.positions, self.span = rows, positions, span

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores the states of one layer, (batch, kv_heads, tokens, head_dim), at the positions set by `aim`.

        Returns keys and values of the slots set by `aim`, each (batch, kv_heads, span, head_dim).
        """
        keys, values = self.keys[layer_idx], self.values[layer_idx]  # (slots, kv_heads, length, head_dim)
        slots = torch.arange(self.rows, device=keys.device) if isinstance(self.rows, int) else self.rows
        # The two index tensors, (batch, 1) and (batch, tokens), select a target of the shape (batch, tokens,
        # kv_heads, head_dim).
        keys[slots[:, None], :, self.positions] = key_states.transpose(1, 2)
        values[slots[:, None], :, self.positions] = value_states.transpose(1, 2)
        if isinstance(self.rows, int):
            # A slice of the first slots is a view; indexing with a tensor would copy.
            return keys[: self.rows, :, : self.span], values[: self.rows, :, : self.span]
        return keys[self.rows, :, : self.span], values[self.rows, :, : self.span]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Returns the longest prefix in use. Models do not derive positions from it: the engine always
        passes positions."""
        return self.span


def slot_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Computes grouped-query attention without copying keys and values.

    The query heads that share a key head are placed one after another on the token axis. `query` is (batch,
    heads, tokens, dim), `key` and `value` are (batch, kv_heads, span, dim), and the boolean mask is (batch,
    1, tokens, span). Returns (batch, tokens, heads, dim).
    """
    batch, heads, tokens, dim = query.shape
    kv_heads = key.shape[1]
    groups = heads // kv_heads
    folded = query.reshape(batch, kv_heads, groups * tokens, dim)
    # The mask is repeated for each query head that shares a key head: (batch, 1, groups * tokens, span). With
    # one token, broadcasting has the same effect.
    mask = attention_mask if tokens == 1 else attention_mask.repeat(1, 1, groups, 1)
    # out: (batch, kv_heads, groups * tokens, dim)
    out = torch.nn.functional.scaled_dot_product_attention(folded, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(batch, heads, tokens, dim).transpose(1, 2), None
