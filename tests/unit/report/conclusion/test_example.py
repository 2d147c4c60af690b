"""The example of a conclusion: the rule by which it is chosen."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from kit.finished_run import INVALID, FinishedRun, questions, ramp_tasks

from masksearch.report.conclusion.build import conclude
from masksearch.report.conclusion.example import ALONE, GROUNDED, TURNED, Example
from masksearch.report.load import load_run
from masksearch.types import Task


def example(
    folder: Path,
    tasks: list[Task],
    before: Collection[int] | None,
    after: Collection[int],
    grounded: Collection[int] | None = None,
    trajectories: bool = True,
) -> Example | None:
    run = FinishedRun(folder)
    run.stage("sft", "sft")
    if before is not None:
        run.evaluate("before", "S", tasks, before, wrong="invalid")
    made = {"maker": "sft", "model": "smollm2-135m+sft", "trajectories": trajectories}
    run.evaluate("after", "S", tasks, after, grounded=grounded, **made)
    found = conclude(load_run(folder, trajectories=False)).example
    assert found == conclude(load_run(folder)).example
    return found


def test_the_first_that_turned_and_is_grounded(tmp_path: Path) -> None:
    found = example(tmp_path, [*ramp_tasks(10)], {0, 1}, range(8), grounded=(0, 1, 4, 5))
    assert found is not None
    assert found.before is not None
    assert (found.task.id, found.rule) == ("r4", GROUNDED)
    assert found.gold == "Perth"
    assert (found.before.right, found.before.valid, found.before.answer) == (False, False, "")
    assert [(part.kind, part.text) for part in found.before.parts] == [("other", INVALID)]
    assert [part.kind for part in found.after.parts] == ["think", "search", "information", "think", "answer"]
    assert found.after.parts[2].text == "[1] Painter 0  [2] Bridges"
    assert found.queries == ("painter bridge town 0",)
    assert found.index.endswith("stages/index/index")


def test_a_task_with_two_masks_needs_both_answers_in_the_results(tmp_path: Path) -> None:
    found = example(tmp_path, [*ramp_tasks(5, masks=2)], (), range(5))
    assert found is not None
    assert found.gold == "Lisbon; Oslo"


def test_without_a_grounded_answer_the_rule_says_so(tmp_path: Path) -> None:
    found = example(tmp_path, [*questions(10)], {0}, range(8), grounded=())
    assert found is not None
    assert (found.task.id, found.rule) == ("q1", TURNED)


def test_without_an_evaluation_before(tmp_path: Path) -> None:
    found = example(tmp_path, [*questions(10)], None, {3})
    assert found is not None
    assert (found.task.id, found.rule, found.before) == ("q3", ALONE, None)


def test_no_question_turned(tmp_path: Path) -> None:
    assert example(tmp_path, [*questions(5)], {0, 1}, {0, 1}) is None


def test_no_trajectories_are_stored(tmp_path: Path) -> None:
    assert example(tmp_path, [*questions(5)], {0}, {0, 1}, trajectories=False) is None


def test_chinese_answers_are_found_in_the_results(tmp_path: Path) -> None:
    task = ramp_tasks(1, language="zh")[0]
    text = "这座城市位于[mask]。"
    task = task.model_copy(update={"text": text, "answers": ("里斯本",), "original": "这座城市位于里斯本。"})
    found = example(tmp_path, [task], (), {0})
    assert found is not None
    assert (found.rule, found.gold, found.asked) == (GROUNDED, "里斯本", text)
