"""Runs: what is skipped, redone, resumed, refused; with fake stages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from kit.places import REPOSITORY
from kit.root_fakes import FAKES
from kit.waiting import wait_for

from masksearch.errors import MaskSearchError, MissingExtraError, UsageError
from masksearch.recipe.load import load_recipe
from masksearch.recipe.run import run_recipe
from masksearch.runtime.lock import locked

RECIPE = """
name = "small"
[stages.base]
kind = "make"
[stages.other]
kind = "make"
text = "other"
[stages.sft]
kind = "train"
expect_seconds = 60
model = "base"
data = ["q.jsonl"]
fail = "fail.txt"
[stages.after]
kind = "train"
expect_seconds = 120
model = "sft"
[stages.all]
kind = "join"
inputs = ["after", "other"]
[stages.page]
kind = "page"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "q.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "fail.txt").write_text("no")
    (tmp_path / "r.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*overrides: str) -> list[str]:
    """Runs the recipe; returns the stage functions called this time."""
    calls = Path("out/calls.txt")
    calls.unlink(missing_ok=True)
    run_recipe(load_recipe("r.toml", overrides, FAKES), "out")
    return called()


def called() -> list[str]:
    calls = Path("out/calls.txt")
    return calls.read_text().splitlines() if calls.exists() else []


def names(calls: list[str]) -> list[str]:
    return [line.split()[0] for line in calls]


def read(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_what_could_not_be_done_is_taken_up_by_a_later_run(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what builds on it is done again only if that changed something."""
    (here / "r.toml").write_text("""
name = "small"
[stages.other]
kind = "make"
[stages.asked]
kind = "ask"
answers = "answers.txt"
[stages.after]
kind = "train"
model = "asked"
[stages.all]
kind = "join"
inputs = ["after", "other"]
[stages.asked2]
kind = "ask"
answers = "answers.txt"
""")
    answers = here / "answers.txt"
    answers.write_text("one")
    assert names(run()) == ["other", "asked", "after", "all", "asked2"]
    assert "Unfinished: asked, asked2; start the same command again" in capsys.readouterr().err
    assert names(run()) == ["asked", "asked2"]
    answers.write_text("one two")
    assert names(run()) == ["asked", "after", "all", "asked2"]
    assert json.loads(Path("out/stages/after/trained.json").read_text())["inputs"] == ["one two"]
    assert "Not all could be done" not in capsys.readouterr().err.rsplit("[5/5]")[-1]
    assert names(run()) == []


def test_a_whole_run_and_what_it_leaves(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert names(run()) == ["base", "other", "sft", "after", "all", "page"]
    record = read("out/run.json")
    assert [(row["name"], row["kind"], row["status"]) for row in record["stages"]][2:4] == [
        ("sft", "train", "done"),
        ("after", "train", "done"),
    ]
    assert record["recipe"] == read("out/recipe.json")
    assert Path("out/recipe.toml").read_text() == RECIPE
    done = read("out/stages/sft/done.json")
    assert done["summary"] == {"steps": 3}
    assert set(done) == {"key", "kind", "seconds", "summary", "peak_memory_mb", "finished"}
    assert (
        Path("out/stages/page/page.html").read_text()
        == "base=done other=done sft=done after=done all=done page=running"
    )
    printed = capsys.readouterr()
    assert "| the table |" in printed.out
    assert "Report: out/stages/page/page.html" in printed.out
    assert "[3/6] sft  — training (about 60s, more than 3m left in all)" in printed.err
    assert "done in 0s: made other" in printed.err
    assert "done in 0s: steps 3" in printed.err


def test_what_is_done_is_not_done_again_but_still_shown(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    capsys.readouterr()
    assert run() == []
    printed = capsys.readouterr()
    assert "| the table |" in printed.out
    assert "[6/6] page  — done already" in printed.err


@pytest.mark.parametrize(
    ("override", "redone"),
    [
        ("stages.sft.rate=0.2", ["sft", "after", "all", "page"]),
        ("stages.after.agent.top_k=3", ["after", "all", "page"]),
        ("stages.other.text=new", ["other", "all", "page"]),
        ("stages.sft.expect_seconds=1", []),
        ("stages.sft.description=other words", []),
    ],
)
def test_a_changed_setting_redoes_only_what_depends_on_it(
    here: Path, override: str, redone: list[str]
) -> None:
    run()
    assert names(run(override)) == redone


def test_a_changed_input_file_redoes_only_what_reads_it(here: Path) -> None:
    run()
    (here / "q.jsonl").write_text('{"a": 2}\n')
    assert names(run()) == ["sft", "after", "all", "page"]


def test_a_lost_product_is_made_again(here: Path) -> None:
    run()
    Path("out/stages/other/made.json").unlink()
    assert names(run()) == ["other"]


def results() -> list[Any]:
    return [
        read(f"out/stages/{name}") for name in ("sft/trained.json", "after/trained.json", "all/joined.json")
    ]


def test_after_a_failure_the_stage_goes_on_where_it_was(here: Path) -> None:
    run()
    undisturbed = results()
    (here / "fail.txt").write_text("yes")
    (here / "q.jsonl").write_text('{"a": 2}\n')
    with pytest.raises(MaskSearchError, match=r"^Stage 'sft': The data are bad.$"):
        run()
    rows = {row["name"]: row["status"] for row in read("out/run.json")["stages"]}
    assert (rows["base"], rows["sft"], rows["after"]) == ("done", "failed", "waiting")
    with pytest.raises(MaskSearchError):
        run()
    assert called() == ["sft from 1"]
    Path("out/stages/sft/.trained.json.1.tmp").write_text("half")
    (here / "fail.txt").write_text("no")
    assert run()[:2] == ["sft from 2", "after from 0"]
    assert not list(Path("out/stages/sft").glob(".*"))
    (here / "q.jsonl").write_text('{"a": 1}\n')
    run()
    assert results() == undisturbed


def test_broken_off_work_of_other_settings_is_cleared(here: Path) -> None:
    (here / "fail.txt").write_text("yes")
    with pytest.raises(MaskSearchError):
        run()
    with pytest.raises(MaskSearchError):
        run("stages.sft.rate=0.5")
    assert len(Path("out/stages/sft/steps.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        ("full", MaskSearchError, "Stage 'x': the disk is full (out/stages/x)"),
        ("missing", MaskSearchError, "pip install 'masksearch[train]'"),
        ("empty", MaskSearchError, "without writing"),
    ],
)
def test_errors_of_a_stage_are_sentences(here: Path, kind: str, error: type[Exception], told: str) -> None:
    (here / "r.toml").write_text(f'[stages.x]\nkind = "{kind}"\n')
    with pytest.raises(error) as caught:
        run()
    assert told in str(caught.value)
    if kind == "missing":
        assert caught.value.exit_status == MissingExtraError.exit_status  # type: ignore[attr-defined]


def test_an_unexpected_error_says_in_which_stage(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "q.jsonl").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError) as caught:
        run()
    assert caught.value.__notes__ == ["in stage 'sft'"]
    assert read("out/run.json")["stages"][2]["status"] == "failed"


def test_two_runs_do_not_share_a_folder(here: Path) -> None:
    Path("out").mkdir()
    with (
        locked(Path("out/.lock"), "out", "wait"),
        pytest.raises(UsageError, match=rf"process {os.getpid()}.*working in out"),
    ):
        run()
    assert names(run())
    assert not Path("out/.lock").exists()
    (here / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        run_recipe(load_recipe("r.toml", (), FAKES), "file")


SLOW = """
name = "slow"
[stages.base]
kind = "make"
[stages.sft]
kind = "train"
model = "base"
steps = 8
hold = "hold"
[stages.all]
kind = "join"
inputs = ["sft"]
"""
SCRIPT = f"""
import sys
sys.path.insert(0, {str(REPOSITORY / "tests")!r})
from kit.root_fakes import FAKES
from kit.waiting import wait_for
from masksearch.runtime import process
from masksearch.recipe.load import load_recipe
from masksearch.recipe.run import run_recipe
process.prepare("test")
run_recipe(load_recipe("slow.toml", [], FAKES), sys.argv[1])
"""


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, "running"), (signal.SIGTERM, "interrupted"), (signal.SIGINT, "interrupted")],
)
@pytest.mark.slow
def test_killed_in_the_middle_of_a_stage_it_ends_in_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("slow.toml").write_text(SLOW)
    Path("hold").touch()
    Path("script.py").write_text(textwrap.dedent(SCRIPT))
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    child = subprocess.Popen([sys.executable, "script.py", "out"], stderr=subprocess.PIPE, **heeding)
    steps = Path("out/stages/sft/steps.jsonl")
    wait_for(lambda: steps.exists() and len(steps.read_text().splitlines()) == 3)
    child.send_signal(number)
    child.communicate()
    Path("hold").unlink()
    assert child.returncode != 0
    assert not Path("out/stages/sft/done.json").exists()
    assert read("out/run.json")["stages"][1]["status"] == status
    with open(steps, "a") as stream:
        stream.write('{"st')
    loaded = load_recipe("slow.toml", [], FAKES)
    run_recipe(loaded, "out")
    calls = Path("out/calls.txt").read_text().splitlines()
    assert [line.split()[0] for line in calls] == ["base", "sft", "sft", "all"]
    assert int(calls[2].split()[2]) == 3
    run_recipe(loaded, "whole")
    assert read("out/stages/sft/trained.json") == read("whole/stages/sft/trained.json")
