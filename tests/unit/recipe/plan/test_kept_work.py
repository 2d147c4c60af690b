"""Replaced work: kept, found again by its key, deleted with `prune`, and safe from kills."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from kit.root_fakes import FAKES
from kit.zygote import Zygote

from masksearch.errors import MaskSearchError, UsageError
from masksearch.recipe.load import load_recipe
from masksearch.recipe.plan.kept import human_size, set_aside
from masksearch.recipe.run import run_recipe
from masksearch.runtime.resume import COMMAND, WorkFolder

RECIPE = """
name = "small"
[stages.base]
kind = "make"
[stages.sft]
kind = "train"
model = "base"
fail = "fail.txt"
[stages.after]
kind = "train"
model = "sft"
[stages.all]
kind = "join"
inputs = ["after"]
"""
REPLACED = Path("out/replaced")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fail.txt").write_text("no")
    (tmp_path / "r.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*overrides: str, prune: bool = False) -> list[str]:
    """Runs the recipe; returns the names of the stages whose functions were called."""
    calls = Path("out/calls.txt")
    calls.unlink(missing_ok=True)
    run_recipe(load_recipe("r.toml", overrides, FAKES), "out", prune=prune)
    return [line.split()[0] for line in calls.read_text().splitlines()] if calls.exists() else []


def rate(folder: Path) -> float:
    return float(json.loads((folder / "trained.json").read_text())["rate"])


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the files of the stages by path, without the time at which a stage was done."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("done.json", "stage.json")
    }


def test_replaced_work_is_kept_and_found_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    before = tree(Path("out/stages"))
    capsys.readouterr()
    assert run("stages.sft.rate=0.2") == ["sft", "after", "all"]
    printed = capsys.readouterr().err
    assert "again: rate 0.1 -> 0.2" in printed
    assert "again: stage 'sft', which it reads, has run again" in printed
    assert "the work that this replaces is kept in out/replaced/sft/1 (" in printed
    assert "Replaced work of earlier runs is kept in out/replaced (" in printed
    assert (rate(Path("out/stages/sft")), rate(REPLACED / "sft/1")) == (0.2, 0.1)

    assert run() == []
    printed = capsys.readouterr().err
    assert "sft: earlier work with these settings is put back from out/replaced/sft/1" in printed
    assert "[2/4] sft  — done already" in printed
    assert tree(Path("out/stages")) == before
    assert rate(REPLACED / "sft/2") == 0.2
    assert run("stages.sft.rate=0.2") == []
    assert run("stages.sft.rate=0.3") == ["sft", "after", "all"]
    assert run() == run("stages.sft.rate=0.2") == run("stages.sft.rate=0.3") == []
    assert sorted(path.name for path in Path("out/stages").iterdir()) == ["after", "all", "base", "sft"]


def test_interrupted_work_is_resumed_where_it_was_kept(here: Path) -> None:
    (here / "fail.txt").write_text("yes")
    with pytest.raises(MaskSearchError):
        run()
    with pytest.raises(MaskSearchError):
        run("stages.sft.rate=0.5")
    (here / "fail.txt").write_text("no")
    Path("out/calls.txt").unlink()
    run_recipe(load_recipe("r.toml", (), FAKES), "out")
    assert Path("out/calls.txt").read_text().splitlines()[0] == "sft from 1"


def test_prune_deletes_what_is_replaced_and_what_was_kept(here: Path) -> None:
    run()
    assert run("stages.sft.rate=0.2", prune=True) == ["sft", "after", "all"]
    assert not REPLACED.exists()
    run("stages.sft.rate=0.3")
    assert (REPLACED / "sft/1").exists()
    assert run("stages.sft.rate=0.2", prune=True) == [], "kept work with the right key is put back first"
    assert not REPLACED.exists()
    assert run("stages.sft.rate=0.3") == ["sft", "after", "all"]


def test_a_folder_with_marks_alone_is_not_worth_keeping(tmp_path: Path) -> None:
    folder = tmp_path / "stages" / "x"
    WorkFolder(folder, folder / "p", "a").start()
    assert set_aside(WorkFolder(folder, folder / "p", "b")) is None
    assert not folder.exists()
    assert not (tmp_path / "replaced").exists()


def test_the_work_of_a_single_command_is_neither_moved_nor_deleted(here: Path) -> None:
    run()
    folder = Path("out/stages/sft")
    key = json.loads((folder / "done.json").read_text())["key"]
    run("stages.sft.rate=0.2")
    theirs = WorkFolder(folder, folder / "trained.json", "other", COMMAND)
    theirs.pause(0.0)
    for prune in (False, True):
        with pytest.raises(UsageError, match="holds the work of a single command with other settings"):
            run(prune=prune)
        assert rate(folder) == 0.2
    assert json.loads((REPLACED / "sft/1/stage.json").read_text())["key"] == key


@pytest.mark.parametrize("overrides", [("stages.sft.rate=0.3",), ()], ids=["set aside", "put back"])
@pytest.mark.slow
def test_a_kill_between_any_two_steps_loses_nothing(
    here: Path, overrides: tuple[str, ...], zygote: Zygote
) -> None:
    """Kills the run before its first, second, ... rename or new folder, until it comes through."""
    run()
    run("stages.sft.rate=0.2")
    for step in range(60):
        done = zygote.start(step, *overrides, call="kit.root_fakes:killed_run")
        assert done.wait() in (0, -signal.SIGKILL), done.communicate()
        kept = [path for path in (*Path("out/stages").glob("sft"), *REPLACED.glob("sft/*")) if path.is_dir()]
        rates = [rate(path) for path in kept if (path / "trained.json").exists()]
        assert {0.1, 0.2} <= set(rates)
        assert len(rates) == len(set(rates)), "no work is there twice"
        if done.returncode == 0:
            break
    assert done.returncode == 0
    assert step > 3
    assert rate(Path("out/stages/sft")) == (0.3 if overrides else 0.1)
    assert run(*overrides) == []
    assert run("stages.sft.rate=0.2") == []


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_stages_on_another_disk_keep_their_work_there(here: Path) -> None:
    Path("disk/stages").mkdir(parents=True)
    Path("out").mkdir()
    Path("out/stages").symlink_to(here / "disk/stages")
    run()
    run("stages.sft.rate=0.2")
    assert rate(Path("disk/replaced/sft/1")) == 0.1
    assert run() == []


def test_sizes() -> None:
    assert [human_size(size) for size in (12, 1200, 34_000_000, 1_250_000_000)] == [
        "12 bytes",
        "1.2 kB",
        "34 MB",
        "1.2 GB",
    ]
