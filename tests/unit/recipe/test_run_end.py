"""The end of a run: the commands to type next, notes and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit.finished_run import FinishedRun, demo_run
from kit.places import REPOSITORY

from masksearch.cli.main import main
from masksearch.recipe.conclusion import conclusion
from masksearch.recipe.load import Recipe, load_recipe
from masksearch.text.display import display_width

EVALUATE = """
[stages.base]
kind = "model"
[stages.index]
kind = "index"
[stages.tasks]
kind = "mask"
index = "index"
[stages.before]
kind = "eval"
questions = "tasks"
model = "base"
index = "index"
[stages.comparison]
kind = "compare"
results = ["before"]
"""


def printed(recipe: Recipe, out: Path, rows: dict[str, Any]) -> str:
    products = {stage.name: str(out / "stages" / stage.name / stage.spec.product) for stage in recipe.stages}
    return conclusion(recipe, out, rows, products)


def rows_of(recipe: Recipe, run: FinishedRun | None = None, status: str = "done") -> dict[str, Any]:
    known = {row["name"]: row for row in run.rows} if run else {}
    return {
        stage.name: known.get(stage.name, {"status": status, "summary": {"text": stage.name}})
        for stage in recipe.stages
    }


def test_a_run_ends_on_one_screen_with_commands_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(REPOSITORY / "recipes" / "masks.toml")
    run = demo_run(Path("runs/demo"))
    text = printed(recipe, Path("runs/demo"), rows_of(recipe, run))
    lines = text.splitlines()
    assert max(map(display_width, lines)) <= 100
    assert len(lines) <= 60
    assert "Recall (%)" not in text
    assert "\nReport: runs/demo/stages/report/report.html\n" in text
    commands = [line.split("  ")[1] for line in lines[lines.index("Next") + 1 :]]
    assert commands == [
        "masksearch compare runs/demo",
        "masksearch search runs/demo/stages/index/index 'painter bridge town 0'",
        "masksearch serve runs/demo/stages/index --model runs/demo/stages/rl",
        "masksearch init docs/",
    ]
    assert main(["compare", "runs/demo"]) == 0
    assert "Paired differences by question" in capsys.readouterr().out
    corpus = Path("docs.jsonl")
    corpus.write_text('{"id": "1", "title": "Bridges", "text": "A painter lived at a bridge in a town."}\n')
    assert main(["index", str(corpus), "-o", "runs/demo/stages/index/index"]) == 0
    assert main(["search", "runs/demo/stages/index/index", "painter bridge town 0"]) == 0
    assert "Bridges" in capsys.readouterr().out


def test_a_run_that_has_done_nothing_yet(tmp_path: Path) -> None:
    recipe = load_recipe(REPOSITORY / "recipes" / "masks.toml")
    assert printed(recipe, tmp_path, rows_of(recipe, status="waiting")) == (
        "\nNext\n  masksearch init docs/  a recipe for your documents"
    )


def test_a_run_without_training_and_without_a_report(tmp_path: Path) -> None:
    file = tmp_path / "my-corpus.toml"
    file.write_text(EVALUATE, encoding="utf-8")
    recipe = load_recipe(file, ["corpus=wiki-summaries:en", "model=smollm2-135m"])
    out = tmp_path / "a run"
    text = printed(recipe, out, rows_of(recipe))
    next_lines = text.splitlines()[text.splitlines().index("Next") + 1 :]
    assert [line.split()[:2] for line in next_lines] == [
        ["masksearch", "compare"],
        ["masksearch", "search"],
        ["masksearch", "stats"],
        ["masksearch", "report"],
    ]
    assert f"masksearch compare '{out}'" in text


def test_notes_and_tables_that_the_conclusion_lacks_are_printed(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(EVALUATE, encoding="utf-8")
    recipe = load_recipe(file, ["corpus=wiki-summaries:en", "model=smollm2-135m"])
    rows = rows_of(recipe)
    rows["comparison"] = {"status": "done", "summary": {"table": "| a table of other runs |"}}
    rows["before"] = {"status": "done", "summary": {"note": "A search failed."}}
    text = printed(recipe, tmp_path / "run", rows)
    assert "\n\n| a table of other runs |\n" in f"\n{text}"
    assert "\nbefore: A search failed." in text
