"""The forward pass of a Llama model (arXiv 2302.13971) over a slot cache, with a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.functional import embedding, linear, silu

from masksearch.llm.decoder.slots import SlotCache, slot_attention

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Shape:
    """The sizes of a model, with the names of the checkpoint's configuration."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    eos_token_id: Any
    _attn_implementation: str = ""

    def get_text_config(self) -> Shape:
        """Returns itself: the model has no other part."""
        return self


class Rotation:
    """Rotary position embeddings (arXiv 2104.09864): each pair of dimensions turns with the position."""

    def __init__(self, shape: Shape) -> None:
        even = torch.arange(0, shape.head_dim, 2, dtype=torch.float32)
        self.speed = 1.0 / (shape.rope_theta ** (even / shape.head_dim))  # (head_dim / 2,)

    def at(self, positions: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns cosines and sines, (batch, 1, tokens, head_dim) each, of `positions` (batch, tokens)."""
        angles = positions[:, None, :, None].float() * self.speed
        both = torch.cat((angles, angles), dim=-1)
        return both.cos().to(dtype), both.sin().to(dtype)


def rotated(states: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Turns states (batch, heads, tokens, head_dim) by their positions."""
    first, second = states.chunk(2, dim=-1)
    return (states * cosines) + (torch.cat((-second, first), dim=-1) * sines)


def normed(states: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Divides states by their root mean square, computed in float32 (RMSNorm)."""
    wide = states.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return weight * (wide * scale).to(states.dtype)


class LlamaModel:
    """A causal language model with the few methods that the decoding engine calls."""

    cache_class = SlotCache

    def __init__(self, shape: Shape, weights: Weights, ends: Any) -> None:
        """`weights` have the names of the checkpoint's files; `ends` are the end tokens of its generation
        configuration."""
        self.config, self._weights = shape, weights
        self.generation_config = SimpleNamespace(eos_token_id=ends)
        self._rotation = Rotation(shape)
        self._layers = [_layer(weights, number) for number in range(shape.num_hidden_layers)]

    def eval(self) -> LlamaModel:
        """Returns itself: nothing here behaves differently in training."""
        return self

    def parameters(self) -> Iterator[torch.Tensor]:
        """Yields the weights."""
        yield from self._weights.values()

    def get_output_embeddings(self) -> Any:
        """Returns the function from hidden states (..., hidden_size) to logits (..., vocabulary)."""
        name = "lm_head.weight" if "lm_head.weight" in self._weights else "model.embed_tokens.weight"
        return lambda hidden: linear(hidden, self._weights[name])

    def base_model(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        past_key_values: SlotCache,
        use_cache: bool = True,
    ) -> Any:
        """Returns the hidden states of one pass as `last_hidden_state`, (batch, tokens, hidden_size).

        `input_ids` and `position_ids` are (batch, tokens), the boolean mask is (batch, 1, tokens, span).
        """
        states = embedding(input_ids, self._weights["model.embed_tokens.weight"])
        turn = self._rotation.at(position_ids, states.dtype)
        epsilon = self.config.rms_norm_eps
        for number, layer in enumerate(self._layers):
            before = normed(states, layer["input_layernorm"], epsilon)
            states = states + self._attend(number, layer, before, turn, attention_mask, past_key_values)
            before = normed(states, layer["post_attention_layernorm"], epsilon)
            gate = silu(linear(before, layer["mlp.gate_proj"]))
            states = states + linear(gate * linear(before, layer["mlp.up_proj"]), layer["mlp.down_proj"])
        return SimpleNamespace(last_hidden_state=normed(states, self._weights["model.norm.weight"], epsilon))

    def _attend(
        self,
        number: int,
        layer: Weights,
        states: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor,
        cache: SlotCache,
    ) -> torch.Tensor:
        """Returns the attention of one layer, (batch, tokens, hidden_size)."""
        batch, tokens, _ = states.shape

        def heads(name: str) -> torch.Tensor:  # (batch, heads, tokens, head_dim)
            made = linear(states, layer[f"self_attn.{name}_proj"])
            return made.view(batch, tokens, -1, self.config.head_dim).transpose(1, 2)

        query, key, value = heads("q"), heads("k"), heads("v")
        keys, values = cache.update(rotated(key, *turn), value, number)
        scale = self.config.head_dim**-0.5
        found, _ = slot_attention(self, rotated(query, *turn), keys, values, mask, scale)
        return linear(found.reshape(batch, tokens, -1).contiguous(), layer["self_attn.o_proj"])


PARTS = (
    "input_layernorm",
    "post_attention_layernorm",
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
"""Names of the weights of one layer."""


def _layer(weights: Weights, number: int) -> Weights:
    """Returns the weights of one layer by their names within it."""
    return {part: weights[f"model.layers.{number}.{part}.weight"] for part in PARTS}


def weight_names(layers: int) -> frozenset[str]:
    """Returns the names of all weights of a model whose output embeddings are the input embeddings."""
    inner = {f"model.layers.{number}.{part}.weight" for number in range(layers) for part in PARTS}
    return frozenset({"model.embed_tokens.weight", "model.norm.weight", *inner})
