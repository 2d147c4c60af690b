"""Training the upper layers alone: the backward pass ends where the frozen part begins.

With `frozen_layers = n` the embeddings and the lowest n layers stay as they are. The embeddings too, because a gradient for them would
need the backward pass through all layers; so does the head where it shares their weights, as in SmolLM2. Of the usual cost of a step (one
part forward, two backward) a half-frozen model pays two thirds, and holds activations of half its layers.
"""

from __future__ import annotations

from typing import Any

from masksearch.errors import TrainingError


def freeze_layers(model: Any, count: int) -> None:
    """Freezes the embeddings and the lowest `count` layers; 0 trains everything.

    Raises TrainingError where no layer would be left, or the model keeps its layers elsewhere.
    """
    if not count:
        return
    layers = getattr(model.base_model, "layers", None)
    if layers is None:
        raise TrainingError(f"frozen_layers is {count}, but the layers of a {type(model).__name__} are not known here; leave it 0.")
    if count >= len(layers):
        raise TrainingError(f"frozen_layers is {count}, but the model has {len(layers)} layers; freeze at most {len(layers) - 1}.")
    for part in (model.get_input_embeddings(), *layers[:count]):
        part.requires_grad_(False)
