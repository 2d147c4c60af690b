"""Every shipped recipe: it parses, and what it evaluates on is kept out of what it trains on."""

from pathlib import Path

import pytest

from masksearch.config import load_recipe

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_training_tasks_are_decontaminated_against_all_that_is_evaluated_on(path):
    recipe = load_recipe(str(path), ["corpus=wiki-summaries:en"])
    stages = {stage.name: stage for stage in recipe.stages}
    evaluated = {stage.settings.questions for stage in recipe.stages if stage.spec.kind == "eval"}
    training = [stage for stage in recipe.stages if stage.spec.kind == "mask" and stage.name not in evaluated]
    assert evaluated
    for stage in training:
        assert evaluated <= set(stage.settings.exclude), stage.name
        # Gold passages are compared by their words wherever the recipe has the corpus they stand in.
        corpora = {str(Path(name).parent) for name in evaluated if name not in stages}
        assert {str(Path(name).parent) for name in stage.settings.exclude_corpus} == corpora, stage.name
