"""Chooses the stages that a run does: all, those up to a stage (`until`), or single stages (`only`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from masksearch.errors import UsageError
from masksearch.recipe.load import Recipe, Stage


@dataclass(frozen=True)
class Selection:
    """The stages that a run does, in the recipe's order."""

    stages: tuple[Stage, ...]
    all: bool
    """Whether these are all stages of the recipe."""

    def __contains__(self, stage: Stage) -> bool:
        return stage in self.stages

    def needs(self) -> list[str]:
        """Returns the stages that the chosen stages read and that are not chosen themselves."""
        chosen = {stage.name for stage in self.stages}
        return list(
            dict.fromkeys(need for stage in self.stages for need in stage.needs if need not in chosen)
        )


def select(recipe: Recipe, until: Sequence[str] = (), only: Sequence[str] = ()) -> Selection:
    """Returns the stages to run.

    `until` chooses all stages up to and with the last of the named stages, `only` the named stages alone. The
    name of a table with `per_seed = true` stands for its stages of all seeds. Raises UsageError, or
    RecipeError with the nearest name.
    """
    if until and only:
        raise UsageError("--until and --only exclude each other; give one of them.")
    if only:
        names = {name for given in only for name in _stages_of(recipe, given)}
        stages = tuple(stage for stage in recipe.stages if stage.name in names)
    elif until:
        names = {name for given in until for name in _stages_of(recipe, given)}
        last = max(number for number, stage in enumerate(recipe.stages) if stage.name in names)
        stages = recipe.stages[: last + 1]
    else:
        stages = recipe.stages
    return Selection(stages, len(stages) == len(recipe.stages))


def _stages_of(recipe: Recipe, name: str) -> list[str]:
    seeds = re.compile(rf"{re.escape(name)}-s-?\d+")
    found = [stage.name for stage in recipe.stages if stage.name == name or seeds.fullmatch(stage.name)]
    return found or [recipe.stage(name).name]


def check_needs(selection: Selection, is_done: Callable[[str], bool]) -> None:
    """Raises UsageError if a chosen stage reads a stage that is neither chosen nor done."""
    missing = [need for need in selection.needs() if not is_done(need)]
    if not missing:
        return
    readers = [stage.name for stage in selection.stages if set(stage.needs) & set(missing)]
    verb = "reads" if len(readers) == 1 else "read"
    are = "which is not done" if len(missing) == 1 else "which are not done"
    first = " ".join(f"--only {name}" for name in missing[:3])
    more = "" if len(missing) <= 3 else " and so on"
    raise UsageError(
        f"The {_quoted(readers)} {verb} the {_quoted(missing)}, {are} with the recipe's settings; "
        f"run them first ({first}{more}), or everything up to there with --until {readers[-1]}."
    )


def _quoted(names: Sequence[str]) -> str:
    kind = "stage" if len(names) == 1 else "stages"
    shown = [f"'{name}'" for name in names[:6]] + ([f"{len(names) - 6} more"] if len(names) > 6 else [])
    return f"{kind} {', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else f"{kind} {shown[0]}"
