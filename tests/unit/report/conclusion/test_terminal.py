"""The conclusion on a terminal: at most 100 columns, one screen, colours only where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.finished_run import FinishedRun, demo_run, questions, ramp_tasks

from masksearch.report.conclusion import terminal
from masksearch.report.conclusion.build import conclude
from masksearch.report.load import load_run
from masksearch.runtime.colour import plain
from masksearch.text.display import display_width


def shown(run: FinishedRun) -> list[str]:
    return terminal.lines(conclude(load_run(run.folder, trajectories=False)), "masksearch compare runs/x")


def test_a_run_like_the_demo_fits_a_screen(tmp_path: Path) -> None:
    lines = shown(demo_run(tmp_path / "run"))
    assert max(map(display_width, lines)) <= 100
    assert len(lines) <= 50
    assert lines[1].startswith(
        "RAMP, one mask: Filled 79 of 100 masked facts in unseen articles by searching"
    )
    text = "\n".join(lines)
    assert "\nNot shown\n- rl: 3 steps, no measurable gain." in text
    assert "One question, before and after\n" in text
    assert "  answer    (none)  (wrong, not in the asked form)" in text
    assert "  answer    Quito  (right)" in text
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("suite")) :]
    assert " ".join(table[0].split()) == "suite model n F1 % 95% interval EM % valid % evidence %"
    assert table[1].split()[:5] == ["RAMP,", "one", "mask", "smollm2-135m", "100"]
    assert table[2].startswith(" ")  # the suite's name is given once
    assert len(table) == 10


def test_colours_change_nothing_but_the_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = demo_run(tmp_path / "run")
    without = shown(run)
    assert not any("\x1b" in line for line in without)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = shown(run)
    assert [plain(line) for line in coloured] == without
    thought, search, result, answer = (
        next(line for line in reversed(coloured) if f"  {name} " in plain(line))
        for name in ("thought", "search", "results", "answer")
    )
    styles = {line.partition("\x1b[")[2].partition("m")[0] for line in (thought, search, result, answer)}
    assert len(styles) == 4


def test_long_names_many_searches_and_control_characters(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.stage("sft", "sft")
    suite = (
        "A suite with a name that is much longer than a table of a hundred columns has room for it \x1b[31m"
    )
    model = "an-organisation/a-model-with-a-name-that-is-longer-than-its-column-70B-Instruct"
    tasks = ramp_tasks(12, masks=4)
    long = [task.model_copy(update={"text": task.text, "title": "x" * 300}) for task in tasks]
    run.evaluate("before", suite, long, (), wrong="invalid", model=model)
    run.evaluate("after", suite, long, range(12), maker="sft", model=f"{model}+sft")
    run.compare("before", "after")
    lines = shown(run)
    assert max(map(display_width, lines)) <= 100
    assert not any("\x1b" in line for line in lines)
    row = lines[-1]
    assert "…" in row
    assert row.endswith("100.0")


@pytest.mark.parametrize("searches", [1, 4, 30])
def test_the_example_has_at_most_25_lines(
    tmp_path: Path, searches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kit import finished_run

    whole = finished_run.right_trajectory
    monkeypatch.setattr(
        finished_run, "right_trajectory", lambda task, grounded: whole(task, grounded, searches)
    )
    run = FinishedRun(tmp_path / "run")
    run.stage("sft", "sft")
    run.evaluate("before", "Q", questions(3), (), wrong="invalid")
    run.evaluate("after", "Q", questions(3), {1}, maker="sft", model="m+sft")
    lines = shown(run)
    first = lines.index("One question, before and after")
    example = lines[first : lines.index("", first)]
    assert len(example) <= terminal.EXAMPLE_LINES
    assert example[-1].endswith("(right)")
    assert any("more parts" in line for line in example) == (searches == 30)


def test_many_suites_stay_on_one_screen(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.stage("sft", "sft")
    for number in range(12):
        run.evaluate(f"before-{number}", f"Suite {number}", questions(5), {0})
        run.evaluate(f"after-{number}", f"Suite {number}", questions(5), {0, 1}, maker="sft", model="m+sft")
    lines = shown(run)
    assert len(lines) <= 75
    assert "  and 6 more suites: masksearch compare runs/x" in lines
    assert "  and 8 more rows: masksearch compare runs/x" in lines
    assert any(line.endswith("more differences: masksearch compare runs/x") for line in lines)


def test_a_run_without_evaluations_prints_nothing(tmp_path: Path) -> None:
    assert shown(FinishedRun(tmp_path / "run")) == []
