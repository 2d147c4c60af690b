"""Checks that every file a recipe names exists."""

from __future__ import annotations

from pathlib import Path

from masksearch.errors import RecipeError
from masksearch.recipe import references
from masksearch.recipe.load import Recipe
from masksearch.recipe.validate import nearest


def check_inputs(recipe: Recipe) -> None:
    """Raises RecipeError, with the key, for the first input that is neither a stage nor exists."""
    made = {stage.name for stage in recipe.stages}
    for stage in recipe.stages:
        for field, value in references.inputs(stage.settings):
            if value not in made and not references.exists(field, value):
                advice = nearest(value, sorted(made)) if Path(value).name == value else "; check the path."
                place = f"{recipe.path}: 'stages.{stage.name}.{field}'"
                fault = f"'{value}', which is neither a stage of the recipe nor a path that exists"
                raise RecipeError(f"{place} is {fault}{advice}")
        if getattr(stage.settings, "corpus", "") == "-":
            place = f"{recipe.path}: 'stages.{stage.name}.corpus'"
            raise RecipeError(f"{place} is standard input, which can be read only once; name a file.")
