"""LoRA by a switch (arXiv 2106.09685): low-rank adapters beside every linear layer but the head; the rest stays as it is.

The adapters are put into the model itself, which stays a plain causal language model, so the rest of the package need not know. What leaves a
stage has them merged, W + (alpha / rank) B A, and is a checkpoint like any other; so are the weights that a rollout decodes with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from masksearch.errors import TrainingError


def freeze_layers(model: Any, count: int) -> None:
    """Freezes the embeddings and the lowest `count` layers; 0 trains everything.

    The embeddings too, because their gradient would need the backward pass through all layers; so does the head where it shares
    their weights, as in SmolLM2. A step costs one part forward and two backward, so a half-frozen model pays two thirds, and holds
    activations of half its layers.

    Raises TrainingError where no layer would be left, or the model keeps its layers elsewhere.
    """
    if not count:
        return
    layers = getattr(model.base_model, "layers", None)
    if layers is None:
        raise TrainingError(
            f"frozen_layers is {count}, but the layers of a {type(model).__name__} are not known here; leave it 0."
        )
    if count >= len(layers):
        raise TrainingError(
            f"frozen_layers is {count}, but the model has {len(layers)} layers; freeze at most {len(layers) - 1}."
        )
    for part in (model.get_input_embeddings(), *layers[:count]):
        part.requires_grad_(False)


ADAPTER = "default"


def add_adapters(model: Any, rank: int, alpha: float, seed: int) -> None:
    """Puts an adapter of this rank beside every linear layer but the head, and freezes everything else. It begins as zero: the model computes what it did."""
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(seed)
    heads = (model.get_output_embeddings(),)
    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module not in heads
    ]
    if not targets:
        raise TrainingError(
            f"lora is on, but a {type(model).__name__} has no linear layer that an adapter could stand beside."
        )
    inject_adapter_in_model(
        LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets), model, adapter_name=ADAPTER
    )


def adapt(model: Any, settings: Any) -> None:
    """`add_adapters` as the settings of a stage ask for; does nothing unless `lora` is on. Raises TrainingError beside frozen layers."""
    if not settings.lora:
        return
    if settings.frozen_layers:
        raise TrainingError(
            "lora and frozen_layers are both set, but lora leaves all layers as they are; leave frozen_layers at 0."
        )
    add_adapters(model, settings.lora_rank, settings.lora_alpha, settings.seed)


@torch.no_grad()
def plain_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and whole weights of the model as it would be without adapters, these merged; in the order of its state.

    Where the weights are slices of several processes, each must ask for all of them: a slice is put together when its turn comes.
    """
    adapted = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    for name, weight in model.state_dict(keep_vars=True).items():
        if ".lora_" in name:
            continue
        whole = whole_tensor(weight)
        owner = name.removesuffix(".base_layer.weight")
        yield name.replace(".base_layer.", "."), whole + _delta(adapted[owner]) if owner in adapted else whole


def _delta(layer: Any) -> torch.Tensor:
    up, down = (whole_tensor(part[ADAPTER].weight) for part in (layer.lora_B, layer.lora_A))
    delta: torch.Tensor = (up.float() @ down.float()) * layer.scaling[ADAPTER]
    return delta


def whole_tensor(weight: Any) -> torch.Tensor:
    """A weight as one tensor, put together from the slices of all processes if need be."""
    gather = getattr(weight, "full_tensor", None)
    whole: torch.Tensor = gather() if gather else weight
    return whole
