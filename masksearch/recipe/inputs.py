"""Checks that every file a recipe names exists."""

from __future__ import annotations

from pathlib import Path

from masksearch.errors import RecipeError
from masksearch.recipe import references
from masksearch.recipe.load import Recipe
from masksearch.recipe.preflight.check import Finding, faults_of, report
from masksearch.recipe.preflight.collect import collect
from masksearch.runtime.needs import Fault
from masksearch.text.nearest import nearest, no_path


def check_inputs(recipe: Recipe) -> None:
    """Raises an error for every input that is neither a stage nor exists, and that cannot be read twice.

    It is a RecipeError if there is one fault. Otherwise it is a PreflightError with a line for each, which
    also has the other findings of the preflight, so that all faults show at once.
    """
    faults = input_faults(recipe)
    if not faults:
        return
    needs = collect(recipe.stages, {stage.name: stage.name for stage in recipe.stages})
    others = faults_of(needs)
    if len(faults) == 1 and all(finding.fault.warning for finding in others):
        raise RecipeError(faults[0])
    report([*(Finding((), Fault(text, wrong_use=True)) for text in faults), *others])


def input_faults(recipe: Recipe) -> list[str]:
    """Returns a sentence, with the key, for every input that does not exist or cannot be read twice."""
    made = {stage.name for stage in recipe.stages}
    found = []
    for stage in recipe.stages:
        for field, value in references.inputs(stage.settings):
            if value not in made and not references.exists(field, value):
                advice = nearest(value, sorted(made)) if Path(value).name == value else no_path(value)
                place = f"{recipe.path}: 'stages.{stage.name}.{field}'"
                fault = f"'{value}', which is neither a stage of the recipe nor a path that exists"
                found.append(f"{place} is {fault}{advice}")
        if getattr(stage.settings, "corpus", "") == "-":
            place = f"{recipe.path}: 'stages.{stage.name}.corpus'"
            found.append(f"{place} is standard input, which can be read only once; name a file.")
    return found
