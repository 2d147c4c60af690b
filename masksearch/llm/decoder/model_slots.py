"""Slots for any `transformers` model whose attention goes through the attention interface and the cache's
`update`."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache

from masksearch.llm.decoder.slots import SlotCache, slot_attention

ATTENTION = "masksearch_slots"
"""Name of `slot_attention` in the attention interface of `transformers`."""


class ModelSlotCache(SlotCache, Cache):  # type: ignore[misc]
    """A `SlotCache` that `transformers` takes for a cache."""

    def __init__(
        self, config: Any, slots: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        SlotCache.__init__(self, config, slots, length, dtype, device)
        self.layers: list[Any] = []


AttentionInterface.register(ATTENTION, slot_attention)
