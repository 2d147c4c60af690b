"""A stage folder, a work folder or a run stands for the product in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masksearch.errors import UsageError
from masksearch.evaluation.settings import CompareSettings, EvalSettings
from masksearch.llm.settings import ModelSettings
from masksearch.recipe.load import load_recipe
from masksearch.recipe.products import model_beside, product_of, with_products
from masksearch.recipe.stages import STAGES
from masksearch.recipe.validate import Fault
from masksearch.runtime.files import write_json


def make(run: Path, name: str, kind: str, done: bool = True) -> Path:
    folder = run / "stages" / name
    folder.mkdir(parents=True)
    (folder / "stage.json").write_text(json.dumps({"key": "k", "made_from": {"kind": kind}}))
    if done:
        (folder / "done.json").write_text(json.dumps({"key": "k", "kind": kind}))
        (folder / STAGES[kind].product).touch()
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    run = Path("runs/demo")
    for name, kind in (("base", "model"), ("index", "index"), ("tasks", "mask"), ("sft", "sft")):
        make(run, name, kind)
    make(run, "trajectories", "synthesize")
    make(run, "before", "eval")
    make(run, "table", "compare")
    make(run, "rl", "rl", done=False)
    rows = [{"name": name} for name in ("base", "index", "tasks", "sft")]
    (run / "run.json").write_text(json.dumps({"stages": rows}))
    return run


@pytest.mark.parametrize(
    ("field", "value", "product"),
    [
        ("index", "runs/demo/stages/index", "runs/demo/stages/index/index"),
        ("index", "runs/demo/stages/index/", "runs/demo/stages/index/index"),
        ("model", "runs/demo/stages/sft", "runs/demo/stages/sft/checkpoint"),
        ("tasks", "runs/demo/stages/tasks", "runs/demo/stages/tasks/tasks.jsonl"),
        ("questions", "runs/demo/stages/tasks", "runs/demo/stages/tasks/tasks.jsonl"),
        ("trajectories", "runs/demo/stages/trajectories", "runs/demo/stages/trajectories/trajectories.jsonl"),
        ("results", "runs/demo/stages/before", "runs/demo/stages/before/results.json"),
        ("index", "runs/demo", "runs/demo/stages/index/index"),
        ("tasks", "runs/demo", "runs/demo/stages/tasks/tasks.jsonl"),
        # What is no stage folder stays as it was written, and so do runs and comparisons for `compare`.
        ("index", "runs/demo/stages/index/index", "runs/demo/stages/index/index"),
        ("index", "http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("index", "nowhere", "nowhere"),
        ("index", "", ""),
        ("results", "runs/demo", "runs/demo"),
        ("results", "runs/demo/stages/table", "runs/demo/stages/table"),
        ("corpus", "runs/demo/stages/tasks", "runs/demo/stages/tasks"),
    ],
)
def test_the_product_is_taken(run: Path, field: str, value: str, product: str) -> None:
    assert product_of(field, value) == product


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (
            "index",
            "runs/demo/stages/sft",
            "is the folder of a stage of the kind 'sft', but an index is needed here; take "
            "runs/demo/stages/index.",
        ),
        (
            "model",
            "runs/demo",
            "runs/demo is a run with several stages that make a checkpoint; take runs/demo/stages/base or "
            "runs/demo/stages/sft.",
        ),
        ("model", "runs/demo/stages/rl", "runs/demo/stages/rl is a stage that is not done"),
        ("solve_rates", "runs/demo", "in which no finished stage makes an evolved model"),
    ],
)
def test_what_does_not_fit_is_refused(run: Path, field: str, value: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        product_of(field, value)
    assert told in str(caught.value)


def test_the_kind_of_older_work_is_in_the_recipe_of_the_run(run: Path) -> None:
    folder = run / "stages" / "index"
    (folder / "stage.json").write_text('{"key": "k"}')
    (folder / "done.json").write_text('{"key": "k"}')
    assert product_of("index", str(folder)) == str(folder)
    (run / "recipe.json").write_text('{"stages": {"index": {"kind": "index"}}}')
    assert product_of("index", str(folder)) == str(folder / "index")


def test_the_work_folder_of_a_command(tmp_path: Path) -> None:
    work = tmp_path / "sft.work"
    work.mkdir()
    (work / "done.json").write_text('{"key": "k", "kind": "sft"}')
    (tmp_path / "sft").mkdir()
    assert product_of("model", str(work)) == str(tmp_path / "sft")


def test_settings_of_every_shape(run: Path) -> None:
    one = EvalSettings(questions="runs/demo/stages/tasks", model="runs/demo/stages/sft")
    changed = with_products(one)
    assert changed.questions == "runs/demo/stages/tasks/tasks.jsonl"
    assert changed.model == "runs/demo/stages/sft/checkpoint"
    many = CompareSettings(
        results=("runs/demo/stages/before", "x.json"), groups={"a": ("runs/demo/stages/before",)}
    )
    assert with_products(many).results == ("runs/demo/stages/before/results.json", "x.json")
    assert with_products(many).groups == {"a": ("runs/demo/stages/before/results.json",)}
    source = with_products(ModelSettings(source="runs/demo/stages/sft")).source
    assert source == "runs/demo/stages/sft/checkpoint"
    same = ModelSettings(source="smollm2-135m")
    assert with_products(same) == same
    with pytest.raises(Fault) as caught:
        with_products(EvalSettings(questions="q", model="runs/demo/stages/index"))
    assert caught.value.key == ("model",)


def test_of_several_indexes_a_run_stands_for_that_of_its_tasks(run: Path) -> None:
    make(run, "hotpot-index", "index")
    with pytest.raises(UsageError, match="several stages that make an index"):
        product_of("index", "runs/demo")
    text = """
        name = "demo"
        corpus = "wiki-summaries:en"
        model = "smollm2-135m"
        [stages.base]
        kind = "model"
        [stages.index]
        kind = "index"
        [stages.hotpot-index]
        kind = "index"
        [stages.tasks]
        kind = "mask"
        index = "index"
        [stages.before]
        kind = "eval"
        questions = "tasks"
        model = "base"
        index = "hotpot-index"
    """
    record(run, text)
    assert product_of("index", "runs/demo") == "runs/demo/stages/index/index"
    more = """
        [stages.more-tasks]
        kind = "mask"
        index = "hotpot-index"
    """
    record(run, text + more)
    assert product_of("index", "runs/demo") == "runs/demo/stages/index/index"
    record(run, text.replace('index = "index"', 'index = "hotpot-index"'))
    assert product_of("index", "runs/demo") == "runs/demo/stages/hotpot-index/index"


def record(run: Path, text: str) -> None:
    """Writes a run's recipe, as text and resolved."""
    (run / "recipe.toml").write_text(text)
    write_json(run / "recipe.json", load_recipe(run / "recipe.toml").resolved)


def test_the_model_beside_an_index_is_the_one_trained_last(run: Path) -> None:
    index = "runs/demo/stages/index/index"
    assert Path(model_beside(index)).relative_to(Path.cwd()) == Path("runs/demo/stages/sft/checkpoint")
    make(run, "rl-2", "rl")
    assert Path(model_beside(index)).parent.name == "rl-2"


def test_without_a_trained_model_the_base_answers(run: Path) -> None:
    (run / "stages" / "sft" / "done.json").unlink()
    assert Path(model_beside("runs/demo/stages/index/index")).parent.name == "base"


def test_an_index_of_no_run_needs_a_model(run: Path) -> None:
    with pytest.raises(UsageError, match="--model"):
        model_beside("elsewhere/index")
