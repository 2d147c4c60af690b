"""The plan of a run: what it prints, that it writes nothing, and that the run then does the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from kit.root_fakes import FAKES

from masksearch.cli.main import main
from masksearch.errors import MaskSearchError, RecipeError, UsageError
from masksearch.recipe.load import load_recipe
from masksearch.recipe.plan.dry_run import Plan, plan_run, render
from masksearch.recipe.run import run_recipe

RECIPE = """
name = "small"
seeds = [1, 2]
[stages.base]
kind = "make"
expect_seconds = 60
[stages.sft]
kind = "train"
per_seed = true
model = "base"
data = ["q.jsonl"]
fail = "fail.txt"
expect_seconds = 600
[stages.all]
kind = "join"
inputs = ["sft"]
[stages.page]
kind = "page"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "q.jsonl").write_text("1")
    (tmp_path / "fail.txt").write_text("no")
    (tmp_path / "r.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(*overrides: str, until: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> Plan:
    return plan_run(load_recipe("r.toml", overrides, FAKES), Path("out"), until, only)


def run(*overrides: str, until: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> list[str]:
    calls = Path("out/calls.txt")
    calls.unlink(missing_ok=True)
    run_recipe(load_recipe("r.toml", overrides, FAKES), "out", until, only)
    return [line.split()[0] for line in calls.read_text().splitlines()] if calls.exists() else []


def actions(found: Plan) -> dict[str, str]:
    return {name: state.action for name, state in found.states.items()}


def files() -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in Path().rglob("*") if p.is_file()}


def test_a_plan_of_nothing_writes_nothing(here: Path) -> None:
    before = files()
    shown = render(plan())
    assert files() == before
    assert not Path("out").exists()
    assert re.search(r"\[2/5\] sft-s1  would run +about 10m\n", shown)
    assert "Would run 5 of 5 stages: more than 21m." in shown


def test_what_differs_is_named_and_the_run_does_what_the_plan_says(here: Path) -> None:
    run()
    (here / "q.jsonl").write_text("2")
    before = files()
    found = plan("stages.sft.steps=2")
    shown = render(found)
    assert files() == before
    assert actions(found) == {
        "base": "done",
        "sft-s1": "replace",
        "sft-s2": "replace",
        "all": "replace",
        "page": "replace",
    }
    assert "[1/5] base    done already" in shown
    assert "        steps 3 -> 2\n        data file changed: q.jsonl\n" in shown
    assert "stage 'sft-s1', which it reads, will run again" in shown
    assert "Would run 4 of 5 stages" in shown
    assert "Would keep the replaced work in out/replaced (" in shown
    assert run("stages.sft.steps=2") == ["sft-s1", "sft-s2", "all", "page"]
    (here / "q.jsonl").write_text("1")
    assert actions(plan())["sft-s1"] == "put back"
    assert "kept in out/replaced/sft-s1/1" in render(plan())
    assert "Nothing is left to run: 5 stages done." in render(plan())
    assert run() == []


def test_resumed_work_and_lost_products(here: Path) -> None:
    (here / "fail.txt").write_text("yes")
    with pytest.raises(MaskSearchError):
        run()
    assert plan().states["sft-s1"].because == "interrupted"
    (here / "fail.txt").write_text("no")
    run()
    Path("out/stages/all/joined.json").unlink()
    found = plan()
    assert actions(found) == {**dict.fromkeys(("base", "sft-s1", "sft-s2", "page"), "done"), "all": "resume"}
    assert found.states["all"].because == "its product out/stages/all/joined.json is missing"


def test_an_unfinished_product_casts_doubt_on_what_reads_it(here: Path) -> None:
    (here / "r.toml").write_text(
        '[stages.asked]\nkind = "ask"\nanswers = "a.txt"\n[stages.after]\nkind = "train"\nmodel = "asked"\n'
        '[stages.last]\nkind = "join"\ninputs = ["after"]\n'
    )
    (here / "a.txt").write_text("one")
    run()
    found = plan()
    assert actions(found) == {"asked": "resume", "after": "done", "last": "done"}
    assert found.states["asked"].because == "its product is unfinished"
    assert found.states["after"].because == "runs again if the product of 'asked' changes"
    assert found.states["last"].because == "runs again if the product of 'after' changes"


def test_marks_of_earlier_versions_are_explained_by_the_recipe_of_that_run(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    for mark in Path("out/stages").glob("*/stage.json"):
        record = json.loads(mark.read_text())
        del record["made_from"]
        mark.write_text(json.dumps(record))
    assert plan("stages.sft.steps=2").states["sft-s1"].because == "steps 3 -> 2"
    assert plan("stages.sft.steps=2").states["all"].because.startswith("stage 'sft-s1', which it reads, will")
    assert run() == []
    assert "made_from" in json.loads(Path("out/stages/base/stage.json").read_text())
    capsys.readouterr()
    run("stages.sft.steps=2")
    assert "again: steps 3 -> 2" in capsys.readouterr().err


def test_a_refusal_is_in_the_plan(here: Path) -> None:
    Path("out/stages/base").mkdir(parents=True)
    Path("out/stages/base/precious").write_text("x")
    found = plan()
    assert actions(found)["base"] == "refused"
    assert "holds other files" in found.refusals[0]
    assert "could not run" in render(found)


def test_until_and_only(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(until=("sft",)) == ["base", "sft-s1", "sft-s2"]
    printed = capsys.readouterr().err
    assert "[3/5] sft-s2  — training (about " in printed
    assert "Not chosen and not done: all, page; start without --until and --only" in printed
    rows = json.loads(Path("out/run.json").read_text())["stages"]
    assert [row["status"] for row in rows] == ["done", "done", "done", "waiting", "waiting"]
    assert run(only=("all",)) == ["all"]
    assert run(only=("base", "all")) == []
    assert run() == ["page"]
    assert list(actions(plan(only=("sft",)))) == ["sft-s1", "sft-s2"]
    assert "Nothing is left to run: 2 stages chosen done." in render(plan(only=("sft",)))


def test_only_needs_what_it_reads(here: Path) -> None:
    for attempt in (plan, run):
        with pytest.raises(
            UsageError, match=r"'sft-s2' reads the stage 'base', which is not done .*--only base"
        ):
            attempt(only=("sft-s2",))
        with pytest.raises(RecipeError, match="did you mean 'base'"):
            attempt(only=("bas",))
        with pytest.raises(RecipeError, match="no stage 'nothing'"):
            attempt(until=("nothing",))
        with pytest.raises(UsageError, match="exclude each other"):
            attempt(until=("base",), only=("base",))
    assert not Path("out/stages").exists()


def test_only_puts_back_what_it_reads(here: Path) -> None:
    run()
    run("stages.base.text=new", until=("base",))
    assert run(only=("all",)) == []
    assert run("stages.all.one=base", only=("all",)) == ["all"]
    made = json.loads(Path("out/stages/base/made.json").read_text())
    assert made["text"] == "some"


def test_the_command_prints_the_plan_and_what_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "docs.jsonl").write_text('{"id": "1", "title": "Rome", "text": "Rome is old."}\n')
    (here / "real.toml").write_text(
        'corpus = "docs.jsonl"\n[stages.index]\nkind = "index"\n'
        '[stages.tasks]\nkind = "mask"\nindex = "index"\nextractors = ["llm"]\nllm = "http://127.0.0.1:9/v1"\n'
        'llm_model = "m"\n'
    )
    assert main(["run", "real.toml", "--dry-run", "--until", "index"]) == 0
    printed = capsys.readouterr()
    assert "[1/2] index  would run" in printed.out
    assert "Would run 1 of 1 stage chosen." in printed.out
    assert main(["run", "real.toml", "--dry-run"]) != 0
    printed = capsys.readouterr()
    assert "[2/2] tasks  would run" in printed.out
    assert "'tasks'" in printed.err
    assert not Path("runs").exists()
    assert main(["run", "real.toml", "--only", "indx"]) == 2
    assert "did you mean 'index'" in capsys.readouterr().err
