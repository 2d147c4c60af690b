"""Gathers the needs of the stages that are still to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from masksearch.recipe.load import Stage
from masksearch.recipe.stages import StageKind
from masksearch.runtime.extras import load_function
from masksearch.runtime.needs import Made, Need
from masksearch.runtime.settings import Settings, replace_references

MODEL_FIELDS = ("source", "model")
"""Fields that name the model from which a stage makes its own."""


def collect(waiting: Iterable[Stage], products: Mapping[str, str | Path]) -> dict[Need, list[str]]:
    """Returns every need of the stages in `waiting`, each with the names of the stages that have it.

    `waiting` is in the order of the recipe. `products` maps the name of a stage to the path of its product. A
    reference to the product of a stage that runs later yields no need of the product itself.
    """
    stages = list(waiting)
    paths = {stage.name: str(products[stage.name]) for stage in stages}
    made: dict[str, int] = {}
    found: dict[Need, list[str]] = {}
    for stage in stages:
        settings = _bound(stage, products)
        for need in stage_needs(stage.spec, settings, made):
            users = found.setdefault(need, [])
            if stage.name not in users:
                users.append(stage.name)
        made[paths[stage.name]] = _parameters(stage.spec, settings, made)
    return found


def stage_needs(spec: StageKind, settings: Settings, made: Made) -> list[Need]:
    """Returns the needs of one stage."""
    return list(load_function(spec.needs)(settings, made)) if spec.needs else []


def _bound(stage: Stage, products: Mapping[str, str | Path]) -> Settings:
    """Returns the stage's settings with every stage's name replaced by the path of its product."""
    values: dict[str, Any] = replace_references(
        stage.settings, lambda field, value, many: [str(products.get(value, value))]
    )
    return stage.spec.settings.model_validate(values)


def _parameters(spec: StageKind, settings: Settings, made: Made) -> int:
    """Returns the number of parameters of the model that a stage makes; 0 if it makes no model."""
    if not spec.marker or spec.kind == "index":
        return 0
    from masksearch.llm.needs import count_parameters

    source = next((getattr(settings, name) for name in MODEL_FIELDS if hasattr(settings, name)), "")
    return count_parameters(source, made) if source else 0
