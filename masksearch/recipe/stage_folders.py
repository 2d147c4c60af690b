"""Work folders and cache keys of a run's stages. `masksearch run` uses them, and so do commands that run
one stage of a run."""

from __future__ import annotations

from pathlib import Path

from masksearch.recipe.load import Recipe, Stage
from masksearch.recipe.stages import StageKind
from masksearch.runtime.resume import COMMAND, WorkFolder, dependents_key, read_mark, settings_key
from masksearch.runtime.settings import Settings, reference_values, replace_references

STAGES = "stages"
"""Name of the folder inside a run that has a work folder for each stage."""


def stage_folders(recipe: Recipe, run: Path) -> dict[str, WorkFolder]:
    """Returns the work folders of a run in the order of its stages: name of the stage -> its work folder.

    Each work folder has the stage's cache key.
    """
    folders: dict[str, WorkFolder] = {}
    keys: dict[str, str] = {}
    for stage in recipe.stages:
        more = []
        if stage.spec.takes_run:
            more = [recipe.name, recipe.description, {need: keys[need] for need in stage.needs}]
        folder = run / STAGES / stage.name
        key = settings_key(stage.spec.kind, stage.settings, keys, *more)
        folders[stage.name] = WorkFolder(folder, folder / stage.spec.product, key)
        keys[stage.name] = folders[stage.name].key_for_dependents()
    return folders


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
    keys = {}
    for _, value in reference_values(settings):
        product = Path(value).absolute()
        record = read_mark(product.parent / "done.json")
        if product.parent.parent == stages and record:
            keys[value] = dependents_key(record, str(record.get("key", "")), product)
    return WorkFolder(output.parent, output, settings_key(spec.kind, settings, keys), COMMAND)


def adopt(folder: WorkFolder, spec: StageKind, settings: Settings) -> None:
    """Adds a product to a run that a single command of an earlier version made, with the same settings and
    inputs.

    Commands of those versions kept their marks in `PRODUCT.work`, which `masksearch run` did not read. This
    function writes the marks of the run instead.
    """
    earlier = folder.product.with_name(folder.product.name + ".work")
    record = read_mark(earlier / "done.json")
    if folder.mark_file.exists() or not record or not folder.product.exists():
        return
    if record.get("key") == settings_key(spec.kind, settings, {}, str(None)):
        theirs = WorkFolder(folder.folder, folder.product, folder.key, COMMAND)
        theirs.pause(0.0)
        theirs.finish({"seconds": 0.0, **{name: value for name, value in record.items() if name != "key"}})
