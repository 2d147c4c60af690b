"""Every shipped recipe: it parses, and what it evaluates on is kept out of what it trains on."""

import re
from pathlib import Path

import pytest
from kit.places import REPOSITORY

from masksearch.recipe.inputs import check_inputs
from masksearch.recipe.load import load_recipe
from masksearch.recipe.stage_folders import stage_folders

FOLDER = REPOSITORY / "recipes"
RECIPES = sorted(FOLDER.glob("**/*.toml"))
PAPER = sorted((FOLDER / "paper").glob("*.toml"))
MODELS = re.findall(
    r"^\|[^|]+\| `(\S+)` \|", (FOLDER / "paper" / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)


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
        assert {str(Path(name).parent) for name in stage.settings.exclude_corpus} >= corpora, stage.name


def test_all_models_and_combinations_of_the_paper_are_there():
    assert [path.stem for path in PAPER] == ["rl-rl", "rl-sft", "sft-rl", "sft-sft"]
    assert len(MODELS) == len(set(MODELS)) == 6


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_each_is_planned_without_a_gpu_or_a_hub(path, model, tmp_path):
    (tmp_path / "docs.jsonl").write_text('{"id": "a", "title": "A", "text": "a"}\n', encoding="utf-8")
    recipe = load_recipe(
        str(path), [f"corpus={tmp_path / 'docs.jsonl'}", f"model={model}", "stages.stage-one.lora=true"]
    )
    check_inputs(recipe)
    folders = stage_folders(recipe, tmp_path / "run")
    assert len({folder.key for folder in folders.values()}) == len(recipe.stages)
    one, two = recipe.stage("stage-one"), recipe.stage("stage-two")
    assert f"{one.spec.kind}-{two.spec.kind}" == path.stem
    assert (recipe.stage("base").settings.source, one.settings.model, two.settings.model) == (
        model,
        "base",
        "stage-one",
    )
    assert (one.settings.lora, two.settings.lora) == (True, False)
    names = [stage.name for stage in recipe.stages]
    assert (
        names.index("ramp-tasks")
        < names.index("stage-one")
        < names.index("stage-two")
        < names.index("eval-hotpot")
    )
    for stage in (one, two):
        if stage.spec.kind == "rl":
            settings = stage.settings
            assert (settings.clip_low, settings.clip_high, settings.weight_decay, settings.max_grad_norm) == (
                0.2,
                0.28,
                0.1,
                1.0,
            )
            assert (
                settings.learning_rate,
                settings.warmup_steps,
                settings.temperature,
                settings.dynamic_sampling,
            ) == (1e-6, 20, 1.0, True)
            # Whole groups fall to each of up to sixteen processes.
            assert settings.prompts_per_step % 16 == 0
        else:
            assert settings_fit(stage.settings)


def settings_fit(settings):
    return settings.batch_size % (16 * settings.micro_batch_size) == 0


@pytest.mark.parametrize("path", sorted((FOLDER / "accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_its_configurations(path):
    pytest.importorskip("accelerate", reason="the extra `train` is not installed")
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes == int(
        re.search(r"num_processes: (\d+)", path.read_text(encoding="utf-8"))[1]
    )
    assert config.mixed_precision == "no"
