"""Trains only part of a model: LoRA adapters (arXiv 2106.09685, section 4.1) or frozen layers.

With the setting `lora` every linear layer except the head gets a low-rank adapter, and all other weights
are frozen. The adapters are injected into the model's layers instead of wrapping the model, so most other
modules need not know about them. The adapters are merged into the stage's checkpoint and into the weights
that decode rollouts: W + (alpha / rank) B A.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from masksearch.errors import TrainingError

ADAPTER = "default"


def freeze_layers(model: Any, count: int) -> None:
    """Freezes the embeddings and the lowest `count` layers; 0 trains all weights.

    The embeddings are frozen because their gradient would need the backward pass through all layers. The
    head is frozen too if it shares the embeddings' weights, as in SmolLM2. The backward pass costs about
    twice as much as the forward pass. So with half of the layers frozen a step takes two thirds of the
    time, and only half of the activations are kept in memory.

    Raises TrainingError if no layer would be left to train, or if the model's layers are not found.
    """
    if not count:
        return
    layers = getattr(model.base_model, "layers", None)
    if layers is None:
        raise TrainingError(
            f"frozen_layers is {count}, but the layers of a {type(model).__name__} were not found; "
            "leave frozen_layers at 0."
        )
    if count >= len(layers):
        raise TrainingError(
            f"frozen_layers is {count}, but the model has {len(layers)} layers; "
            f"freeze at most {len(layers) - 1}."
        )
    for part in (model.get_input_embeddings(), *layers[:count]):
        part.requires_grad_(False)


def add_adapters(model: Any, rank: int, alpha: float, seed: int) -> None:
    """Adds an adapter to every linear layer except the head, and freezes all other weights.

    The adapter's matrix B starts as zero, so the model's outputs do not change at first. Raises
    TrainingError for a model without linear layers.
    """
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(seed)
    head = model.get_output_embeddings()
    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]
    if not targets:
        raise TrainingError(
            f"lora is on, but a {type(model).__name__} has no linear layer that could get an adapter; "
            "switch lora off."
        )
    inject_adapter_in_model(
        LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets), model, adapter_name=ADAPTER
    )


def adapt(model: Any, settings: Any) -> None:
    """Adds adapters to the model if `settings.lora` is set. Raises TrainingError if `frozen_layers` is set
    as well."""
    if not settings.lora:
        return
    if settings.frozen_layers:
        raise TrainingError(
            "lora and frozen_layers are both set, but lora freezes all layers anyway; "
            "leave frozen_layers at 0."
        )
    add_adapters(model, settings.lora_rank, settings.lora_alpha, settings.seed)


@torch.no_grad()
def plain_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields the names and whole weights of the model without adapters, each with its adapter merged.

    The order is that of the model's state dict. If ranks hold slices of the weights, every rank must
    iterate to the end, because each tensor is gathered from all ranks when it is yielded.
    """
    adapted = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    for name, weight in model.state_dict(keep_vars=True).items():
        if ".lora_" in name:
            continue
        whole = whole_tensor(weight)
        layer = adapted.get(name.removesuffix(".base_layer.weight"))
        yield name.replace(".base_layer.", "."), whole if layer is None else whole + _delta(layer)


def _delta(layer: Any) -> torch.Tensor:
    """Returns the adapter's change to the layer's weight, (alpha / rank) B A, of shape (out, in)."""
    up = whole_tensor(layer.lora_B[ADAPTER].weight)  # B: (out, rank)
    down = whole_tensor(layer.lora_A[ADAPTER].weight)  # A: (rank, in)
    delta: torch.Tensor = (up.float() @ down.float()) * layer.scaling[ADAPTER]
    return delta


def whole_tensor(weight: Any) -> torch.Tensor:
    """Returns a weight as one tensor, gathered from the slices of all ranks if the weight is sliced."""
    gather = getattr(weight, "full_tensor", None)
    whole: torch.Tensor = gather() if gather else weight
    return whole
