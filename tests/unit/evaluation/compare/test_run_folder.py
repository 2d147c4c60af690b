"""Comparisons of a run from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kit.finished_run import FinishedRun, questions, ramp_tasks

from masksearch.cli.main import main
from masksearch.errors import UsageError
from masksearch.evaluation.compare.run_folder import comparisons
from masksearch.evaluation.settings import CompareSettings


def a_run(folder: Path, stages: dict[str, Any]) -> FinishedRun:
    run = FinishedRun(folder)
    run.evaluate("b-before", "R", ramp_tasks(6), {0})
    run.evaluate("a-after", "R", ramp_tasks(6), range(4), model="m+sft")
    run.evaluate("asked", "Q", questions(4), {1})
    evals = {name: {"kind": "eval"} for name in ("b-before", "a-after", "asked")}
    record = {"stages": evals | {name: {"kind": "compare", "settings": one} for name, one in stages.items()}}
    (folder / "recipe.json").write_text(json.dumps(record), encoding="utf-8")
    for name in stages:
        run.path(name).mkdir()
        (run.path(name) / "comparison.json").write_text("{}", encoding="utf-8")
    return run


def test_the_runs_own_comparison_with_its_settings(tmp_path: Path) -> None:
    own = {"results": ["b-before", "a-after", "never-made"], "metric": ["f1"], "baseline": "a-after"}
    run = a_run(tmp_path / "run", {"comparison": {**own, "unknown": 3}})
    found = comparisons(CompareSettings(results=(str(run.folder),), digits=3))
    assert list(found) == ["comparison"]
    one = found["comparison"]
    assert [Path(path).parent.name for path in one.results] == ["b-before", "a-after"]
    assert Path(one.baseline).parent.name == "a-after"
    assert (one.metric, one.digits) == (("f1",), 3)


def test_several_comparisons_and_one_of_them(tmp_path: Path) -> None:
    first = {"results": [], "groups": {"x": ["b-before"], "y": ["a-after"], "z": ["never-made"]}}
    run = a_run(tmp_path / "run", {"first": first, "second": {"results": ["asked"]}})
    found = comparisons(CompareSettings(results=(str(run.folder),)))
    assert list(found) == ["first", "second"]
    assert list(found["first"].groups) == ["x", "y"]
    only = comparisons(CompareSettings(results=(str(run.path("second")),)))
    assert list(only) == ["second"]


def test_a_run_without_a_comparison_stands_for_all_its_results(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", {})
    (one,) = comparisons(CompareSettings(results=(str(run.folder),))).values()
    assert [Path(path).parent.name for path in one.results] == ["b-before", "a-after", "asked"]
    other = FinishedRun(tmp_path / "other")
    other.evaluate("more", "R", ramp_tasks(6), {2}, model="n")
    (both,) = comparisons(CompareSettings(results=(str(run.folder), str(other.folder)))).values()
    assert [Path(path).parent.name for path in both.results] == ["b-before", "a-after", "asked", "more"]


def test_files_and_folders_of_results_stay_as_they_are(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", {})
    settings = CompareSettings(results=(str(run.path("asked")), str(run.path("a-after") / "results.json")))
    assert comparisons(settings) == {"": settings}


def test_a_run_without_results_is_named(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    with pytest.raises(UsageError, match="run has no finished evaluation to compare"):
        comparisons(CompareSettings(results=(str(run.folder),)))


def test_the_command_prints_all_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = {"first": {"results": ["b-before", "a-after"]}, "second": {"results": ["asked"]}}
    run = a_run(tmp_path / "run", stages)
    assert main(["compare", str(run.folder)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("first\n\nRecall (%):")
    assert "\nsecond\n\nRecall (%):" in printed
    assert printed.count("Scores (%):") == 2
    assert "Paired differences by question (percentage points):" in printed
    assert main(["compare", str(run.folder), "-o", str(tmp_path / "c.json")]) == 2
    assert "has several comparisons (first, second), but -o names one file" in capsys.readouterr().err
    assert main(["compare", str(run.path("first")), "-o", str(tmp_path / "c.json")]) == 0
    assert (tmp_path / "c.txt").read_text(encoding="utf-8").startswith("Recall (%):")
