"""The preflight of runs and single commands: all faults at once, before anything is computed."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kit.endpoint import Endpoint, fail, say

from masksearch.cli.main import main
from masksearch.errors import MaskSearchError, PreflightError, UsageError
from masksearch.recipe.load import Recipe, load_recipe
from masksearch.recipe.preflight.check import Finding, preflight, report
from masksearch.recipe.run import run_recipe
from masksearch.recipe.stage_folders import stage_folders
from masksearch.runtime.needs import Fault, sizes

TEXT = (
    "Marie Curie and her husband Pierre discovered the element radium in Paris in 1898. They had worked for "
    "years in a shed without heating, and gave the element its name."
)
DOCUMENT = f'{{"id": "a", "title": "Radium", "text": "{TEXT}"}}\n'
QUESTION = '{"id": "q", "question": "Who discovered radium?", "answers": ["Marie Curie"]}\n'
RECIPE = """
name = "small"
corpus = "docs.jsonl"
[vars]
llm = "URL"
[stages.index]
kind = "index"
[stages.tasks]
kind = "mask"
index = "index"
extractors = ["dates"]
verify = ["none"]
[stages.asked]
kind = "eval"
questions = "q.jsonl"
model = "openai:m"
index = "index"
llm = "{llm}"
suite = "Mine"
"""


def dead_url() -> str:
    """A loopback address at which no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_API_KEY", "JUDGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    (tmp_path / "docs.jsonl").write_text(DOCUMENT, encoding="utf-8")
    (tmp_path / "q.jsonl").write_text(QUESTION, encoding="utf-8")
    (tmp_path / "r.toml").write_text(RECIPE.replace("URL", f"{dead_url()}/v1"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint([say("Marie Curie")]) as server:
        yield server


def findings(recipe: Recipe, *names: str) -> list[str]:
    """The findings for the named stages; for all stages without a name."""
    stages = [stage for stage in recipe.stages if not names or stage.name in names]
    return [str(finding) for finding in preflight(recipe, stages, stage_folders(recipe, Path("runs/x")))]


def load(text: str, *overrides: str) -> Recipe:
    Path("other.toml").write_text(text, encoding="utf-8")
    return load_recipe("other.toml", overrides)


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_dead_endpoint_shows_before_the_first_stage() -> None:
    with pytest.raises(
        MaskSearchError, match=r"Stage 'asked': The endpoint http://.* cannot be reached"
    ) as caught:
        run_recipe(load_recipe("r.toml"), "out")
    assert caught.value.exit_status == 1
    assert not Path("out/stages").exists()


def test_a_run_with_a_living_endpoint(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    run_recipe(load_recipe("r.toml", [f"vars.llm={endpoint.url}"]), "out")
    assert Path("out/stages/asked/results.json").exists()
    assert len(endpoint.trials) == 1
    # All stages are done, so the endpoint is not needed any more.
    endpoint.close()
    run_recipe(load_recipe("r.toml", [f"vars.llm={endpoint.url}"]), "out")
    assert "Warning" not in capsys.readouterr().err


def test_findings_of_stages_already_done_are_not_made() -> None:
    recipe = load_recipe("r.toml")
    assert len(findings(recipe)) == 1
    assert not findings(recipe, "index", "tasks")


def test_all_faults_are_found_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hide(monkeypatch, "spacy", "httpx", "pyarrow")
    text = RECIPE.replace("URL", f"{dead_url()}/v1").replace('"dates"', '"ner"')
    text += '[stages.web]\nkind = "eval"\nquestions = "q.parquet"\nmodel = "openai:m"\nindex = "web:serper"\n'
    Path("q.parquet").touch()
    Path("other.toml").write_text(text, encoding="utf-8")
    assert main(["run", "other.toml"]) == 1
    printed = capsys.readouterr().err
    for part in (
        "faults were found before anything was computed:\n",
        "\n  - Stage 'asked': The endpoint http",
        "\n  - Stage 'tasks': The extractor 'ner' needs the package 'spacy'; install it with: pip install "
        "'masksearch[ner]'.",
        "\n  - Stage 'web': A .parquet file needs the package 'pyarrow'",
        "\n  - Stage 'web': A search over the network needs the package 'httpx'",
        "\n  - Stage 'web': The model openai:m needs the base URL of an endpoint; set llm.",
    ):
        assert part in printed
    assert not list(Path().rglob("passages.jsonl"))


def test_missing_files_and_other_faults_show_together() -> None:
    text = RECIPE.replace("URL", f"{dead_url()}/v1").replace('"q.jsonl"', '"none.jsonl"')
    with pytest.raises(PreflightError) as caught:
        run_recipe(load(text), "out")
    assert "'stages.asked.questions' is 'none.jsonl'" in str(caught.value)
    assert "cannot be reached" in str(caught.value)
    assert not Path("out").exists()


def test_one_need_of_several_stages_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "spacy")
    text = RECIPE.split("[stages.asked]")[0].replace('["dates"]', '["ner"]')
    text += '[stages.more]\nkind = "mask"\nindex = "index"\nmasks = "2"\n'
    (found,) = findings(load(text))
    assert found.startswith("Stages 'tasks', 'more': The extractor 'ner' needs")


def test_warnings_are_printed_and_errors_stop(capsys: pytest.CaptureFixture[str]) -> None:
    warning = Finding(("a", "b"), Fault("It may be slow.", warning=True))
    report([warning])
    assert capsys.readouterr().err.strip() == "Warning: Stages 'a', 'b': It may be slow."
    with pytest.raises(UsageError, match=r"^Set x\.$"):
        report([warning, Finding((), Fault("Set x.", wrong_use=True))])
    with pytest.raises(PreflightError) as caught:
        report([Finding((), Fault("Set x.", wrong_use=True)), Finding(("a",), Fault("It is dead."))])
    assert caught.value.exit_status == 1
    assert str(caught.value).splitlines() == [
        "2 faults were found before anything was computed:",
        "  - Set x.",
        "  - Stage 'a': It is dead.",
    ]
    with pytest.raises(PreflightError) as caught:
        report([Finding((), Fault("Set x.", wrong_use=True)), Finding((), Fault("Set y.", wrong_use=True))])
    assert caught.value.exit_status == 2


# -- disk and memory ---------------------------------------------------------------------------------

TRAINED = """
name = "trained"
corpus = "docs.jsonl"
model = "OWNER/Big-7B"
[stages.base]
kind = "model"
[stages.index]
kind = "index"
[stages.sft]
kind = "sft"
model = "base"
trajectories = ["t.jsonl"]
[stages.after]
kind = "eval"
questions = "q.jsonl"
model = "sft"
index = "index"
"""


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe with a model of seven billion parameters; the hub's cache holds its configuration only."""
    from huggingface_hub import constants

    Path("t.jsonl").touch()
    snapshot = Path("hub/models--OWNER--Big-7B/snapshots/abc")
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "hub")
    monkeypatch.setattr(sizes, "free_memory", lambda: (10**15, "this machine"))
    return load(TRAINED)


def free_disk(monkeypatch: pytest.MonkeyPatch, count: float) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=int(count)))


def test_too_little_disk_for_checkpoints_stops(trained: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two checkpoints of 4 bytes, and two states of 12 bytes, for each of 7 billion parameters.
    free_disk(monkeypatch, 223e9)
    (found,) = preflight(trained, trained.stages, stage_folders(trained, Path("runs/x")))
    assert not found.fault.warning
    assert "Stages 'base', 'index', 'sft': the products and saved states need about 224 GB" in str(found)
    assert "has 223 GB free" in str(found)
    free_disk(monkeypatch, 225e9)
    assert not findings(trained)


def test_a_rough_estimate_of_the_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("docs.jsonl").write_text(DOCUMENT * 1000, encoding="utf-8")
    recipe = load(RECIPE.split("[stages.tasks]")[0])
    free_disk(monkeypatch, 10_000)
    (found,) = preflight(recipe, recipe.stages, stage_folders(recipe, Path("runs/x")))
    assert found.fault.warning
    assert found.stages == ("index",)


def test_files_of_the_interrupted_attempt_count_as_free(
    trained: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_disk(monkeypatch, 224e9 - 1000)
    folders = stage_folders(trained, Path("runs/x"))
    assert preflight(trained, trained.stages, folders)
    folders["sft"].start()
    (folders["sft"].folder / "state").write_bytes(b"x" * 2000)
    assert not preflight(trained, trained.stages, folders)


def test_too_little_memory_is_a_warning(trained: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    free_disk(monkeypatch, 1e15)
    monkeypatch.setattr(sizes, "free_memory", lambda: (int(30e9), "the GPU"))
    (found,) = preflight(trained, trained.stages, stage_folders(trained, Path("runs/x")))
    assert found.fault.warning
    # 16 bytes for each parameter; evaluation takes 2 of them, which fits.
    assert str(found).startswith("Stage 'sft': Training 7.0 billion parameters")
    assert "takes about 112 GB of memory at least, but the GPU has 30 GB free; train with lora = true" in str(
        found
    )
    monkeypatch.setattr(sizes, "free_memory", lambda: (int(120e9), "the GPU"))
    assert not findings(trained)
    monkeypatch.setattr(sizes, "free_memory", lambda: (None, "this machine"))
    assert not findings(trained)


def test_lora_takes_less_memory(trained: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    free_disk(monkeypatch, 1e15)
    monkeypatch.setattr(sizes, "free_memory", lambda: (int(35e9), "the GPU"))
    assert findings(trained)
    monkeypatch.setitem(sys.modules, "peft", sys)  # any module: only its presence counts
    assert not findings(load(TRAINED, "stages.sft.lora=true"))


# -- single commands ---------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Runs a command that must fail; returns what it prints on standard error."""
    assert main(list(arguments)) in (1, 2)
    return capsys.readouterr().err


def test_eval_says_that_its_search_is_dead_before_it_loads_a_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> None:
    def never(*arguments: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("masksearch.llm.checkpoint.load_checkpoint", never)
    url = dead_url()
    printed = refused(
        capsys,
        "eval",
        "q.jsonl",
        "--suite",
        "Mine",
        "--index",
        url,
        "--model",
        str(tiny_checkpoint),
        "-o",
        "r.json",
    )
    assert f"The search {url} cannot be reached (Connection refused); start its server" in printed
    assert not list(Path().glob("r.json*"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("synthesize q.jsonl --index DEAD -o t.jsonl", "The search DEAD cannot be reached"),
        (
            "synthesize q.jsonl --index index --teacher agents --llm DEAD/v1 --model m -o t.jsonl",
            "The endpoint DEAD/v1 cannot be reached",
        ),
        (
            "synthesize q.jsonl --index index --teacher agents -o t.jsonl",
            "needs the base URL of an endpoint; set llm",
        ),
        ("synthesize q.jsonl --index web:serper -o t.jsonl", "set the environment variable SERPER_API_KEY"),
        ("synthesize q.jsonl --index web:altavista -o t.jsonl", "altavista"),
        (
            "mask docs.jsonl --extractor llm --llm DEAD/v1 --llm-model m -o t.jsonl",
            "The endpoint DEAD/v1 cannot",
        ),
        ("rl --model tiny --tasks q.jsonl --index DEAD -o rl", "The search DEAD cannot be reached"),
        (
            "eval q.jsonl --model openai:m --llm DEAD/v1 --method closed-book -o r.json",
            "The endpoint DEAD/v1 cannot",
        ),
        ("eval q.jsonl --model openai:m --llm nowhere --method closed-book -o r.json", "needs the base URL"),
        (
            "index docs.jsonl --kind opensearch --store DEAD/x -o i",
            "The OpenSearch server DEAD/x cannot be reached",
        ),
    ],
)
def test_single_commands_check_before_they_compute(
    arguments: str, told: str, capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> None:
    assert main(["index", "docs.jsonl", "-o", "index"]) == 0
    url = dead_url()
    words = arguments.replace("DEAD", url).replace("tiny", str(tiny_checkpoint)).split()
    assert told.replace("DEAD", url) in refused(capsys, *words)


def test_a_single_command_names_missing_extras_before_it_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> None:
    hide(monkeypatch, "trl", "peft")
    Path("t.jsonl").touch()
    printed = refused(
        capsys, "sft", "--model", str(tiny_checkpoint), "--trajectories", "t.jsonl", "--lora", "-o", "m"
    )
    assert "Training needs the package 'trl'; install it with: pip install 'masksearch[train]'." in printed
    assert "Training with lora = true needs the package 'peft'" in printed


def test_a_living_endpoint_that_lacks_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    with Endpoint([fail(404, "no such model")], models=("qwen-max", "other"), scripted_trials=True) as server:
        words = f"eval q.jsonl --model openai:qwen-mx --llm {server.url} --method closed-book -o r.json"
        printed = refused(capsys, *words.split())
    assert "does not know the model 'qwen-mx'; did you mean 'qwen-max'?" in printed
