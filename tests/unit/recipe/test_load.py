"""Recipes: strictness, overrides, seeds, references, order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit.root_fakes import FAKES

from masksearch.errors import RecipeError
from masksearch.recipe.inputs import check_inputs
from masksearch.recipe.load import Recipe, load_recipe

BASE = """
name = "small"
seed = 7
[stages.base]
kind = "make"
[stages.sft]
kind = "train"
model = "base"
"""


def recipe(tmp_path: Path, text: str, *overrides: str) -> Recipe:
    folder = tmp_path / "recipes"
    folder.mkdir(exist_ok=True)
    (folder / "r.toml").write_text(text, encoding="utf-8")
    return load_recipe(folder / "r.toml", overrides, FAKES)


def settings(loaded: Recipe, name: str) -> Any:
    return loaded.stage(name).settings


def test_defaults_of_the_recipe_reach_the_stages_that_have_the_field(tmp_path: Path) -> None:
    text = 'corpus = "wiki-summaries:fr"\nmodel = "big"\n[agent]\ntop_k = 5\n' + BASE.replace(
        'name = "small"\nseed = 7\n', ""
    )
    loaded = recipe(tmp_path, text.replace("[agent]", "seed = 7\n[agent]") + "agent.max_searches = 9\n")
    assert (
        settings(loaded, "base").corpus,
        settings(loaded, "base").source,
        settings(loaded, "base").seed,
    ) == ("wiki-summaries:fr", "big", 7)
    agent = settings(loaded, "sft").agent
    assert (agent.top_k, agent.max_searches, agent.passage_words) == (5, 9, 70)
    assert loaded.name == "r"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("corpse = 'x'\n" + BASE, ["r.toml", "'corpse'", "did you mean 'corpus'"]),
        (BASE + "ratee = 1\n", ["'stages.sft.ratee'", "did you mean 'rate'"]),
        (BASE + "expect_second = 1\n", ["'stages.sft.expect_second'", "did you mean 'expect_seconds'"]),
        (BASE + "agent.topk = 1\n", ["'stages.sft.agent.topk'", "did you mean 'top_k'"]),
        (
            "[agent]\ntop_q = 1\n" + BASE.replace('name = "small"\nseed = 7', ""),
            ["'agent.top_q'", "did you mean 'top_k'"],
        ),
        (BASE + 'rate = "fast"\n', ["'stages.sft.rate'", "'fast'", "number"]),
        (BASE + 'steps = "3"\n', ["'stages.sft.steps'", "integer"]),
        (BASE + "steps = 3.5\n", ["'stages.sft.steps'"]),
        (BASE + "agent.top_k = 0\n", ["'stages.sft.agent.top_k'", "greater than or equal to 1"]),
        (BASE + 'data = "base"\n', ["'stages.sft.data'"]),
        (BASE.replace('model = "base"', ""), ["'stages.sft.model'", "is missing"]),
        (BASE.replace('kind = "train"', 'kind = "trian"'), ["'stages.sft.kind'", "make, train, join"]),
        (BASE.replace('kind = "train"', ""), ["'stages.sft.kind'", "is missing"]),
        ("name = 'x'\n", ["'stages'", "is missing"]),
        ('name = "x"\nname = \n', ["not valid TOML", "line 2"]),
        ('name = "../up"\n' + BASE.replace('name = "small"', ""), ["'name'", "names a folder"]),
        (BASE + '[stages."a/b"]\nkind = "make"\n', ["'stages.a/b'"]),
        (BASE + "per_seed = true\n", ["'stages.sft.per_seed'", "'seeds'"]),
        ("seeds = [1]\n" + BASE + "per_seed = true\nseed = 3\n", ["'stages.sft.seed'", "per_seed"]),
        (
            BASE + '[stages.x]\nkind = "make"\ntext = "{nme}"\n[vars]\nname = "a"\n',
            ["'stages.x.text'", "{nme}", "did you mean 'name'"],
        ),
        (BASE + "[vars]\nx = [1]\n", ["'vars.x'"]),
    ],
)
def test_a_wrong_key_is_named_with_the_file_and_the_nearest_valid_one(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, text)
    for part in ["r.toml", *told]:
        assert part in str(caught.value)


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="There is no recipe"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('name = "ä"'.encode("latin-1"))
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "latin.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path)


def test_overrides(tmp_path: Path) -> None:
    loaded = recipe(
        tmp_path,
        BASE,
        "stages.sft.rate=1e-4",
        "corpus=docs.jsonl",
        "stages.sft.agent.top_k=3",
        "seed=2",
        "name=other",
        "stages.base.text=two words",
    )
    assert settings(loaded, "sft").rate == 1e-4
    assert settings(loaded, "sft").agent.top_k == 3
    assert (
        settings(loaded, "base").corpus,
        settings(loaded, "base").text,
        settings(loaded, "base").seed,
    ) == ("docs.jsonl", "two words", 2)
    assert loaded.name == "other"
    seeded = recipe(tmp_path, BASE + "per_seed = true\n", "seeds=[4, 5]")
    assert [stage.name for stage in seeded.stages] == ["base", "sft-s4", "sft-s5"]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("nonsense", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
        ("corpse=x", "--set 'corpse' is not a known key; did you mean 'corpus'?"),
        ("stages.stf.rate=1", "no stage 'stf'; did you mean 'sft'?"),
        ("stages.sft.ratio=1", "--set 'stages.sft.ratio' is not a known key"),
        ("stages.sft.rate=fast", "--set 'stages.sft.rate' has a wrong value ('fast')"),
        ("name.x=1", "single value"),
    ],
)
def test_wrong_overrides(tmp_path: Path, override: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, BASE, override)
    assert told in str(caught.value)


SEEDS = """
seeds = [1, 2]
[stages.sft]
kind = "train"
per_seed = true
model = "base"
[stages.again]
kind = "train"
per_seed = true
model = "sft"
data = ["sft", "base"]
[stages.all]
kind = "join"
inputs = ["again", "base"]
groups = {ours = ["sft"], one = ["again-s2"]}
[stages.base]
kind = "make"
text = "{seed}"
"""


def test_one_stage_for_each_seed(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, SEEDS.replace('text = "{seed}"', 'text = "run {seed}"'))
    assert [stage.name for stage in loaded.stages] == [
        "base",
        "sft-s1",
        "sft-s2",
        "again-s1",
        "again-s2",
        "all",
    ]
    assert [settings(loaded, name).seed for name in ("base", "sft-s1", "sft-s2")] == [1, 1, 2]
    assert (settings(loaded, "again-s2").model, settings(loaded, "again-s2").data) == (
        "sft-s2",
        ("sft-s2", "base"),
    )
    assert settings(loaded, "all").inputs == ("again-s1", "again-s2", "base")
    assert settings(loaded, "all").groups == {"ours": ("sft-s1", "sft-s2"), "one": ("again-s2",)}
    assert loaded.stage("all").needs == ("again-s1", "again-s2", "base", "sft-s1", "sft-s2")
    assert settings(loaded, "base").text == "run 1"


def test_a_single_reference_to_many_seeds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'stages.all.one' names the stage 'sft'.*sft-s1, sft-s2"):
        recipe(
            tmp_path,
            SEEDS.replace('text = "{seed}"', "").replace('kind = "join"', 'kind = "join"\none = "sft"'),
        )


def test_two_stages_of_one_name_after_the_seeds_are_put_in(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="same name"):
        recipe(tmp_path, SEEDS.replace('text = "{seed}"', "") + '[stages.sft-s1]\nkind = "make"\n')


def test_a_circle_is_shown(tmp_path: Path) -> None:
    tables = {"a": 'inputs = ["c"]', "b": 'one = "a"', "c": 'groups.x = ["b"]'}
    text = "".join(f'[stages.{name}]\nkind = "join"\n{needs}\n' for name, needs in tables.items())
    with pytest.raises(RecipeError, match="in a cycle \\(a -> c -> b -> a\\)"):
        recipe(tmp_path, text)


def test_a_report_comes_after_all_stages_before_it(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, BASE + '[stages.page]\nkind = "page"\n[stages.late]\nkind = "make"\n')
    assert loaded.stage("page").needs == ("base", "sft")
    assert [stage.name for stage in loaded.stages] == ["base", "sft", "page", "late"]


def test_variables_keep_their_type(tmp_path: Path) -> None:
    loaded = recipe(
        tmp_path,
        BASE
        + 'rate = "{lr}"\n[stages.x]\nkind = "make"\ntext = "{who}-{lr}"\n[vars]\nlr = 0.5\nwho = "me"\n',
    )
    assert settings(loaded, "sft").rate == 0.5
    assert settings(loaded, "x").text == "me-0.5"


def test_files_are_found_from_here_or_from_the_recipes_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "qa").mkdir(parents=True)
    (tmp_path / "data" / "qa" / "q.jsonl").write_text("{}\n")
    (tmp_path / "elsewhere").mkdir()
    text = BASE + 'data = ["{data}/qa/q.jsonl"]\n'
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = recipe(tmp_path, text)
    assert settings(loaded, "sft").data == (str(tmp_path / "data" / "qa" / "q.jsonl"),)
    check_inputs(loaded)
    monkeypatch.chdir(tmp_path)
    assert settings(recipe(tmp_path, text), "sft").data == ("data/qa/q.jsonl",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("", 'data = ["nowhere/q.jsonl"]'), ["'stages.sft.data' is 'nowhere/q.jsonl'", "check the path"]),
        (("", 'data = ["bse"]'), ["did you mean 'base'?"]),
        (('kind = "make"', 'kind = "make"\ncorpus = "docs.jsonl"'), ["'stages.base.corpus' is 'docs.jsonl'"]),
        (('kind = "make"', 'kind = "make"\ncorpus = "-"'), ["standard input"]),
    ],
)
def test_missing_files_are_told_before_anything_runs(
    tmp_path: Path, change: tuple[str, str], told: list[str]
) -> None:
    text = BASE.replace(*change) if change[0] else BASE + change[1] + "\n"
    with pytest.raises(RecipeError) as caught:
        check_inputs(recipe(tmp_path, text))
    for part in told:
        assert part in str(caught.value)


@pytest.mark.parametrize("model", ["openai:gpt", "OWNER/NAME"])
def test_models_may_live_elsewhere(tmp_path: Path, model: str) -> None:
    check_inputs(recipe(tmp_path, BASE.replace('model = "base"', f'model = "{model}"')))


def test_the_resolved_recipe_holds_every_default(tmp_path: Path) -> None:
    resolved = recipe(tmp_path, BASE).resolved
    assert resolved["stages"]["sft"]["settings"]["agent"]["max_searches"] == 4
    assert resolved["stages"]["sft"]["needs"] == ["base"]
    assert (resolved["name"], resolved["seed"], resolved["agent"]["top_k"]) == ("small", 7, 2)


def test_the_recipes_corpus_may_name_the_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "docs.jsonl").write_text("", encoding="utf-8")
    loaded = recipe(tmp_path, 'corpus = "{data}/docs.jsonl"\n' + BASE)
    assert settings(loaded, "base").corpus == str(tmp_path / "data" / "docs.jsonl")


def test_a_stage_on_the_index_of_another_corpus_takes_that_corpus(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        'corpus = "wiki-summaries:en"\n[stages.index]\nkind = "index"\n'
        '[stages.other]\nkind = "index"\ncorpus = "wiki-summaries:fr"\n'
        '[stages.tasks]\nkind = "mask"\nindex = "index"\n'
        '[stages.others]\nkind = "mask"\nindex = "other"\n'
        '[stages.own]\nkind = "mask"\nindex = "other"\ncorpus = "wiki-summaries:es"\n',
        encoding="utf-8",
    )
    loaded = load_recipe(tmp_path / "r.toml")
    corpora = {stage.name: settings(loaded, stage.name).corpus for stage in loaded.stages}
    assert corpora == {
        "index": "wiki-summaries:en",
        "other": "wiki-summaries:fr",
        "tasks": "wiki-summaries:en",
        "others": "",
        "own": "wiki-summaries:es",
    }


SIZED = """
name = "sized"
size = "small"
[vars]
rate = 0.5
[sizes.small]
[sizes.full]
rate = 2.0
[stages.base]
kind = "make"
[stages.extra]
kind = "make"
sizes = ["full"]
[stages.sft]
kind = "train"
model = "base"
rate = "{rate}"
"""


def test_a_size_chooses_variables_and_stages(tmp_path: Path) -> None:
    small = recipe(tmp_path, SIZED)
    assert [stage.name for stage in small.stages] == ["base", "sft"]
    assert settings(small, "sft").rate == 0.5
    full = recipe(tmp_path, SIZED, "size=full")
    assert [stage.name for stage in full.stages] == ["base", "extra", "sft"]
    assert settings(full, "sft").rate == 2.0


def test_without_a_size_the_first_one_counts(tmp_path: Path) -> None:
    loaded = recipe(tmp_path, SIZED.replace('size = "small"\n', ""))
    assert [stage.name for stage in loaded.stages] == ["base", "sft"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('size = "small"', 'size = "huge"'), ["'size'", "is 'huge'", "its sizes: small, full"]),
        (("rate = 2.0", "rat = 2.0"), ["'sizes.full.rat'", "is not under [vars]", "rate"]),
        (('sizes = ["full"]', 'sizes = ["big"]'), ["'stages.extra.sizes'", "names 'big'"]),
        (('model = "base"', 'model = "extra"'), ["'stages.sft.model'", "does not run at the size 'small'"]),
    ],
)
def test_sizes_that_do_not_fit(tmp_path: Path, change: tuple[str, str], told: list[str]) -> None:
    override = ["size=full"] if "rat" in change[1] and "size" not in change[1] else []
    with pytest.raises(RecipeError) as error:
        recipe(tmp_path, SIZED.replace(*change), *override)
    for words in told:
        assert words in str(error.value)
