"""A stage of a recipe that a command runs by itself: its settings, and its place in a run."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.recipe.load import Recipe, Stage, load_recipe
from masksearch.recipe.settings import RecipeFile
from masksearch.recipe.stage_folders import STAGES as STAGE_FOLDERS
from masksearch.recipe.stage_folders import run_of, stage_folders
from masksearch.recipe.stages import StageKind
from masksearch.runtime.resume import COMMAND, WorkFolder
from masksearch.runtime.settings import Settings, replace_references
from masksearch.text.nearest import nearest


@dataclass(frozen=True)
class RecipeStage:
    """The stage of a recipe that a command runs."""

    recipe: Recipe
    stage: Stage
    run: Path
    """The run's folder: from `--out`, from `-o`, or runs/NAME."""
    inside: bool
    """Whether the command works inside the run because of `--out`."""
    given: str
    """The recipe as the user named it."""
    overrides: tuple[str, ...]

    @property
    def product(self) -> str:
        """The place of the product in the run."""
        return str(self.run / STAGE_FOLDERS / self.stage.name / self.stage.spec.product)

    @property
    def products(self) -> dict[str, str]:
        """The places of all stages' products in the run, by the stages' names."""
        return {
            other.name: str(self.run / STAGE_FOLDERS / other.name / other.spec.product)
            for other in self.recipe.stages
        }

    def values(self) -> dict[str, Any]:
        """Returns the stage's settings with the products' paths in place of the names of other stages."""
        products = self.products
        return replace_references(
            self.stage.settings, lambda field, value, many: [products.get(value, value)]
        )

    def check_needs(self, values: dict[str, Any]) -> None:
        """Raises UsageError if a stage whose product the command reads is not done.

        `values` are the settings with the flags of the command. Inside a run, the product must also be the
        one that the recipe describes, because `masksearch run` would make it again otherwise.
        """
        products, used = self.products, set(_texts(values))
        folders = stage_folders(self.recipe, self.run) if self.inside else {}
        for name in self.stage.needs:
            if products[name] not in used and not self.stage.spec.takes_run:
                continue
            exists = Path(products[name]).exists()
            if not exists:
                raise UsageError(f"Stage '{name}' of {self.run} is not done; {self._advice(name)}.")
            if self.inside and folders[name].done() is None:
                raise UsageError(
                    f"Stage '{name}' of {self.run} was made with other settings or inputs than "
                    f"{self.recipe.path} gives it here; give the same --set as it was made with, or "
                    f"{self._advice(name)}."
                )

    def _advice(self, name: str) -> str:
        kind = self.recipe.stage(name).spec.kind
        sets = "".join(f" --set {override}" for override in self.overrides)
        place = f"--out {self.run}{sets}"
        return (
            f"run it with: masksearch {kind} --recipe {self.given} --stage {name} {place} "
            f"(or all up to it: masksearch run {self.given} {place} --until {name})"
        )

    def folder_of_whole_run(self, settings: Settings) -> WorkFolder:
        """Returns the work folder of a stage that reads the whole run, with the key that the run computes."""
        ours = replace(self.stage, settings=settings)
        stages = tuple(ours if other.name == ours.name else other for other in self.recipe.stages)
        folder = stage_folders(replace(self.recipe, stages=stages), self.run)[ours.name]
        return WorkFolder(folder.folder, folder.product, folder.basis, COMMAND)


def recipe_stage(spec: StageKind, arguments: argparse.Namespace) -> RecipeStage | None:
    """Returns the stage that `--recipe` and `--stage` name; None without a recipe.

    Raises UsageError or RecipeError for flags that do not fit together, and for an unknown stage.
    """
    for flag in ("stage", "out"):
        if getattr(arguments, flag) and not arguments.recipe:
            raise UsageError(
                f"--{flag} {getattr(arguments, flag)} needs a recipe: add --recipe RECIPE, which has the "
                "settings of the run's stages."
            )
    if arguments.out and arguments.output:
        raise UsageError(
            f"-o {arguments.output} and --out {arguments.out} exclude each other: -o names the product, "
            "--out the run in which the product has its place."
        )
    _check_overrides(spec, arguments)
    if not arguments.recipe:
        return None
    recipe = load_recipe(arguments.recipe, arguments.set)
    stage = recipe.stage(arguments.stage) if arguments.stage else _only(arguments.recipe, spec, recipe.stages)
    if stage.spec.kind != spec.kind:
        raise UsageError(
            f"--stage {stage.name} is of the kind '{stage.spec.kind}', not '{spec.kind}'; write: "
            f"masksearch {stage.spec.kind} --recipe {arguments.recipe} --stage {stage.name}."
        )
    run = Path(arguments.out) if arguments.out else None
    if run is not None and run.exists() and not run.is_dir():
        raise UsageError(f"--out {run} is a file, but the run needs a folder; choose another --out.")
    if run is None and arguments.output:
        run = run_of(spec, Path(arguments.output))
    return RecipeStage(
        recipe,
        stage,
        run or Path("runs") / recipe.name,
        bool(arguments.out),
        str(arguments.recipe),
        tuple(arguments.set),
    )


def _check_overrides(spec: StageKind, arguments: argparse.Namespace) -> None:
    """Raises UsageError for a key of the stage where a recipe's is needed, and the other way round."""
    for override in arguments.set:
        first, _, rest = override.partition("=")[0].strip().partition(".")
        if arguments.recipe and first not in RecipeFile.model_fields and first in spec.settings.model_fields:
            stage = (
                arguments.stage or _only(arguments.recipe, spec, load_recipe(arguments.recipe).stages).name
            )
            raise UsageError(
                f"--set {override}: with --recipe the keys are those of the recipe; write "
                f"--set stages.{stage}.{override}."
            )
        if not arguments.recipe and first == "stages" and "stages" not in spec.settings.model_fields:
            own = override.partition(".")[2].partition(".")[2]
            raise UsageError(
                f"--set {override}: without a recipe the keys are those of the stage; write "
                f"--set {own or rest}, or add --recipe RECIPE."
            )


def _only(recipe_path: str, spec: StageKind, stages: tuple[Stage, ...]) -> Stage:
    found = [stage for stage in stages if stage.spec.kind == spec.kind]
    if not found:
        kinds = list(dict.fromkeys(stage.spec.kind for stage in stages))
        raise UsageError(f"{recipe_path} has no stage of the kind {spec.kind}{nearest('', kinds)}")
    if len(found) > 1:
        names = ", ".join(stage.name for stage in found)
        raise UsageError(
            f"{recipe_path} has several stages of the kind {spec.kind}; choose one with --stage: {names}."
        )
    return found[0]


def _texts(value: Any) -> Iterator[str]:
    """Yields every text in nested values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
