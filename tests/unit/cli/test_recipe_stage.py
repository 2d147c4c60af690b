"""A stage of a recipe, run by itself inside a run: the run finds it done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masksearch.cli.main import main

DOCS = [
    {
        "id": "1",
        "title": "Rome",
        "text": "Rome is the capital of Italy. It was founded in 753 BC by Romulus.",
    },
    {"id": "2", "title": "Paris", "text": "Paris is the capital of France. Its tower was built in 1889."},
]
RECIPE = """
corpus = "docs.jsonl"

[stages.index]
kind = "index"

[stages.tasks]
kind = "mask"
index = "index"
extractors = ["dates"]
masks = "1"

[stages.other]
kind = "mask"
index = "index"
extractors = ["numbers"]
masks = "1"

[stages.report]
kind = "report"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DOCS))
    Path("r.toml").write_text(RECIPE)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], status: int, *arguments: str) -> str:
    assert main(arguments) == status
    return capsys.readouterr().err


def test_every_stage_alone_and_then_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    sets = ("--set", "stages.tasks.limit=1", "--out", "runs/x")
    for kind, name in (("index", "index"), ("mask", "tasks"), ("mask", "other"), ("report", "report")):
        told(capsys, 0, kind, "--recipe", "r.toml", "--stage", name, *sets)
    assert len(Path("runs/x/stages/tasks/tasks.jsonl").read_text().splitlines()) == 1
    assert Path("runs/x/stages/report/report.html").is_file()
    again = told(capsys, 0, "mask", "--recipe", "r.toml", "--stage", "tasks", *sets)
    assert "This stage is done already" in again
    assert told(capsys, 0, "run", "r.toml", *sets).count("done already") == 4


def test_an_earlier_stage_that_is_not_done_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    error = told(capsys, 2, "mask", "--recipe", "r.toml", "--stage", "tasks", "--out", "x", "--set", "seed=2")
    assert (
        "Stage 'index' of x is not done; run it with: masksearch index --recipe r.toml --stage index --out x "
        "--set seed=2 (or all up to it: masksearch run r.toml --out x --set seed=2 --until index)."
    ) in error


def test_an_earlier_stage_with_other_settings_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    other = ("--set", "stages.index.max_words=50")
    told(capsys, 0, "index", "--recipe", "r.toml", "--out", "x", *other)
    command = ("mask", "--recipe", "r.toml", "--stage", "tasks", "--out", "x")
    error = told(capsys, 2, *command)
    assert "Stage 'index' of x was made with other settings or inputs than r.toml gives it here" in error
    told(capsys, 0, *command, *other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("mask --recipe r.toml --out x", "choose one with --stage: tasks, other."),
        ("mask --out x", "--out x needs a recipe"),
        ("mask --stage tasks -o t.jsonl", "--stage tasks needs a recipe"),
        ("mask --recipe r.toml --stage tasks --out x -o t", "-o t and --out x exclude each other"),
        (
            "mask --recipe r.toml --stage index --out x",
            "write: masksearch index --recipe r.toml --stage index.",
        ),
        ("mask --recipe r.toml --stage taks --out x", "did you mean 'tasks'?"),
        ("index --recipe r.toml --out docs.jsonl", "--out docs.jsonl is a file, but the run needs a folder"),
        ("index --recipe r.toml --out x --set max_words=3", "write --set stages.index.max_words=3."),
        ("index docs.jsonl -o i --set stages.index.max_words=3", "write --set max_words=3, or add --recipe"),
        ("index docs.jsonl -o i --set max_wrods=3", "--set max_wrods is not a known key; did you mean"),
        ("index docs.jsonl -o i --set dense.bacth=3", "--set dense.bacth is not a known key; did you mean"),
        ("index docs.jsonl -o i --set max_words=x", "--set max_words has a wrong value ('x')"),
    ],
)
def test_what_does_not_fit_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert message in told(capsys, 2, *arguments.split())


def test_set_without_a_recipe_gives_settings_and_flags_win(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--set", "max_words=9", "--set", "limit=1")
    told(capsys, 0, "index", "docs.jsonl", "-o", "i", *flags)
    settings = json.loads(Path("i/masksearch.json").read_text())["settings"]
    assert (settings["max_words"], settings["limit"]) == (9, 1)
    told(capsys, 0, "index", "docs.jsonl", "-o", "i", *flags, "--max-words", "8")
    assert json.loads(Path("i/masksearch.json").read_text())["settings"]["max_words"] == 8


def test_a_stage_folder_is_taken_by_commands_and_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, 0, "index", "--recipe", "r.toml", "--out", "x")
    for index in ("x/stages/index", "x/stages/index/index"):
        assert main(["search", index, "capital of Italy", "-k", "1"]) == 0
        assert capsys.readouterr().out.startswith("1. Rome  (")
    flags = ("docs.jsonl", "--extractor", "dates", "--masks", "1")
    told(capsys, 0, "mask", *flags, "--index", "x/stages/index", "-o", "one.jsonl")
    told(capsys, 0, "mask", *flags, "--index", "x/stages/index/index", "-o", "two.jsonl")
    assert Path("one.jsonl").read_text() == Path("two.jsonl").read_text()
    Path("s.toml").write_text(RECIPE.replace('index = "index"', 'index = "x/stages/index"'))
    told(capsys, 0, "run", "s.toml", "--out", "y", "--only", "tasks")
    assert Path("y/stages/tasks/tasks.jsonl").is_file()
    assert main(["stats", "y/stages/tasks"]) == 0
    assert main(["search", "y/stages/tasks", "q"]) == 2
    assert "INDEX: y/stages/tasks is the folder of a stage of the kind 'mask', but an index" in (
        capsys.readouterr().err
    )
