"""Work folders and cache keys of a run's stages. `masksearch run` uses them, and so do commands that run
one stage of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from masksearch.recipe.load import Recipe, Stage
from masksearch.recipe.plan.kept import find_kept
from masksearch.recipe.stages import StageKind
from masksearch.runtime.resume import (
    COMMAND,
    Basis,
    WorkFolder,
    dependents_key,
    key_basis,
    read_mark,
    settings_key,
    without_means,
)
from masksearch.runtime.settings import Settings, reference_values, replace_references

STAGES = "stages"
"""Name of the folder inside a run that has a work folder for each stage."""


def stage_folders(recipe: Recipe, run: Path) -> dict[str, WorkFolder]:
    """Returns the work folders of a run in the order of its stages: name of the stage -> its work folder.

    Each work folder has the stage's cache key. Work with this key that is kept in RUN/replaced, or that
    `adopt` would add, counts as the work of the stage: the keys of the stages that build on it are the keys
    that they have when it is in its place.
    """
    folders: dict[str, WorkFolder] = {}
    keys: dict[str, str] = {}
    products = product_paths(recipe, run)
    for stage in recipe.stages:
        more = []
        if stage.spec.takes_run:
            more = [recipe.name, recipe.description, {need: keys[need] for need in stage.needs}]
        basis = key_basis(stage.spec.kind, stage.settings, keys, *more)
        folder = WorkFolder(run / STAGES / stage.name, Path(products[stage.name]), basis)
        folders[stage.name] = folder
        earlier = adopt_record(folder, stage, products)
        if earlier:
            keys[stage.name] = dependents_key(earlier, folder.key, folder.product)
        else:
            keys[stage.name] = (find_kept(folder) or folder).key_for_dependents()
    return folders


def product_paths(recipe: Recipe, run: Path) -> dict[str, str]:
    """Returns the path of each stage's product by the stage's name."""
    return {stage.name: str(run / STAGES / stage.name / stage.spec.product) for stage in recipe.stages}


def bound_settings(stage: Stage, products: dict[str, str]) -> Settings:
    """Returns a stage's settings with every stage's name replaced by the path of its product."""
    values = replace_references(stage.settings, lambda field, value, many: [products.get(value, value)])
    return stage.spec.settings.model_validate(values)


def run_of(spec: StageKind, output: Path) -> Path | None:
    """Returns the run whose stage has its product at `output`: RUN for `RUN/stages/NAME/PRODUCT`; None for
    any other path."""
    folder = output.absolute().parent
    if spec.takes_run or output.name != spec.product or folder.parent.name != STAGES:
        return None
    return output.parent.parent.parent


def folder_in_run(spec: StageKind, settings: Settings, output: Path) -> WorkFolder:
    """Returns the work folder of a stage inside a run, with the key that the run computes for the same
    settings and inputs.

    `settings` name the products of other stages by their paths.
    """
    stages = output.absolute().parent.parent
    keys, names = {}, {}
    for _, value in reference_values(settings):
        product = Path(value).absolute()
        record = read_mark(product.parent / "done.json")
        if product.parent.parent == stages and record:
            keys[value] = dependents_key(record, str(record.get("key", "")), product)
            names[value] = product.parent.name
    basis = key_basis(spec.kind, settings, keys)
    return WorkFolder(output.parent, output, _with_names(basis, settings, names), COMMAND)


def _with_names(basis: Basis, settings: Settings, names: Mapping[str, str]) -> Basis:
    """Returns the basis with the names of stages in place of their products' paths, as a run records it."""
    named = replace_references(settings, lambda name, value, many: [names.get(value, value)])
    inputs = {
        name: {names.get(value, value): key for value, key in values.items()}
        for name, values in basis.inputs.items()
    }
    return replace(basis, settings=without_means(named), inputs=inputs)


def adopt_record(folder: WorkFolder, stage: Stage, products: dict[str, str]) -> dict[str, Any]:
    """Returns the record of a product that a single command of an earlier version made with the same settings
    and inputs; empty if there is none.

    Commands of those versions kept their marks in `PRODUCT.work`, which `masksearch run` did not read.
    """
    earlier = folder.product.with_name(folder.product.name + ".work")
    if folder.mark_file.exists() or not folder.product.exists():
        return {}
    record = read_mark(earlier / "done.json")
    if not record:
        return {}
    settings = bound_settings(stage, products)
    same = record.get("key") == settings_key(stage.spec.kind, settings, {}, str(None))
    return {"seconds": 0.0, **record, "key": folder.key} if same else {}


def adopt(folder: WorkFolder, stage: Stage, products: dict[str, str]) -> None:
    """Adds the product of `adopt_record` to a run: writes the marks of the run."""
    record = adopt_record(folder, stage, products)
    if record:
        theirs = WorkFolder(folder.folder, folder.product, folder.basis, COMMAND)
        theirs.pause(0.0)
        theirs.finish({name: value for name, value in record.items() if name != "key"})
