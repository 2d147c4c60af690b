"""Training part of a model: LoRA adapters (arXiv 2106.09685, section 4.1) and frozen layers.

With `lora` every linear layer except the head gets a low-rank adapter, and all other weights are frozen.
The adapters are injected into the model, which stays a plain causal language model, so that no other
module has to know about the adapters. The stage's checkpoint and the weights that a rollout decodes with
have the adapters merged: W + (alpha / rank) B A.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from masksearch.errors import TrainingError

ADAPTER = "default"


def freeze_layers(model: Any, count: int) -> None:
    """Freezes the embeddings and the lowest `count` layers; 0 trains all weights.

    The embeddings are frozen because their gradient would need the backward pass through all layers; the
    head is frozen too if it shares their weights, as in SmolLM2. A step costs one part forward
    and two parts backward, so a half-frozen model takes two thirds of the time and holds the activations
    of half its layers.

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

    B starts as zero, so the model's outputs do not change. Raises TrainingError for a model without
    linear layers.
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
    """Adds adapters if `settings.lora` is on. Raises TrainingError if `frozen_layers` is set as well."""
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
    """Yields the names and whole weights of the plain model, with the adapters merged.

    The order is that of the model's state dict. If ranks hold slices of the weights, each rank must
    iterate over all weights: a tensor is gathered when its turn comes, and gathering needs all ranks.
    """
    adapted = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    for name, weight in model.state_dict(keep_vars=True).items():
        if ".lora_" in name:
            continue
        whole = whole_tensor(weight)
        layer = adapted.get(name.removesuffix(".base_layer.weight"))
        yield name.replace(".base_layer.", "."), whole if layer is None else whole + _delta(layer)


def _delta(layer: Any) -> torch.Tensor:
    """Returns (alpha / rank) B A, of the shape (out, in) of the layer's weight."""
    up = whole_tensor(layer.lora_B[ADAPTER].weight)  # B: (out, rank)
    down = whole_tensor(layer.lora_A[ADAPTER].weight)  # A: (rank, in)
    delta: torch.Tensor = (up.float() @ down.float()) * layer.scaling[ADAPTER]
    return delta


def whole_tensor(weight: Any) -> torch.Tensor:
    """Returns a weight as one tensor, gathered from the slices of all ranks if the weight is sliced."""
    gather = getattr(weight, "full_tensor", None)
    whole: torch.Tensor = gather() if gather else weight
    return whole
