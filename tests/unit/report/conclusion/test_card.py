"""The card at the top of the page: scores before and after, and a verdict that agrees with all others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kit.finished_run import FinishedRun, demo_run, questions, ramp_tasks

from masksearch.evaluation.compare.formatting import significant
from masksearch.report import build_report
from masksearch.report.conclusion import paired
from masksearch.report.conclusion.build import Conclusion, conclude
from masksearch.report.conclusion.card import Card
from masksearch.report.conclusion.suites import suites_of
from masksearch.report.conclusion.terminal import lines
from masksearch.report.load import load_run
from masksearch.report.settings import ReportSettings


def concluded(folder: Path) -> Conclusion:
    return conclude(load_run(folder, trajectories=False))


def card(folder: Path, suite: str) -> Card:
    return next(one for one in concluded(folder).cards if one.suite == suite)


def test_before_and_after_with_the_verdict_in_words(tmp_path: Path) -> None:
    run = demo_run(tmp_path / "run")
    shown = card(run.folder, "RAMP, one mask")
    assert [(one.name, one.score, one.count) for one in shown.figures] == [
        ("before", "2.0", "2 of 100 right"),
        ("after", "79.0", "79 of 100 right"),
    ]
    assert (shown.paired, shown.sign) == (True, "better")
    assert shown.verdict == "+77.0 points: shown, p 0.008"
    assert shown.test.startswith("95% interval [+")
    open_ = card(run.folder, "HotpotQA")
    assert (open_.sign, open_.verdict) == ("not shown", "+6.7 points: not shown")
    assert open_.test.endswith(", corrected")


def test_a_suite_that_was_not_measured_before_has_no_verdict(tmp_path: Path) -> None:
    found = card(demo_run(tmp_path / "run").folder, "RAMP, two masks")
    assert [one.name for one in found.figures] == ["after"]
    assert (found.sign, found.verdict, found.paired) == ("", "", False)
    assert found.test == "Not measured before training, so no gain is shown."


def test_card_terminal_and_comparison_agree(tmp_path: Path) -> None:
    """For every suite: the terminal calls a difference shown where the card does, and `compare` stars it."""
    run = demo_run(tmp_path / "run")
    found = concluded(run.folder)
    told = " ".join(" ".join(lines(found, "see the report")).split())
    pairs = json.loads((run.path("comparison") / "comparison.json").read_text())["pairs"]
    baselines = [pair for pair in pairs if pair["against"] == "baseline"]
    tested = 0
    for one in found.cards:
        last = next((pair for pair in reversed(baselines) if pair["suite"] == one.suite), None)
        if not one.verdict:
            assert last is None
            continue
        assert last is not None
        points = one.verdict.partition(" ")[0]
        assert significant(last["metrics"]["f1"]) == (one.sign in ("better", "worse"))
        assert (f"Gain over before {points} F1" in told) == (one.sign == "better")
        assert (f"{one.suite}: {points} F1 over before" in told) == (one.sign != "better")
        tested += 1
    assert tested == 2


@pytest.mark.parametrize(
    ("value", "p", "verdict"), [(0.1, 0.049, "better"), (-0.1, 0.049, "worse"), (0.1, 0.05, "not shown")]
)
def test_verdicts(value: float, p: float, verdict: str) -> None:
    assert paired.Difference(value, value - 0.1, value + 0.1, p, 60).verdict == verdict


def test_a_loss_is_worse(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    tasks = ramp_tasks(40)
    run.stage("rl", "rl")
    run.evaluate("before", "RAMP", tasks, range(30))
    run.evaluate("after", "RAMP", tasks, range(3), maker="rl", model="smollm2-135m+rl")
    found = card(run.folder, "RAMP")
    assert found.sign == "worse"
    assert found.verdict.startswith("-67.5 points: worse, p ")


def test_a_part_of_the_questions_is_named(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    asked = questions(40)
    run.stage("sft", "sft")
    run.evaluate("before", "Q", asked[:30], {0})
    run.evaluate("after", "Q", asked, range(20), maker="sft", model="smollm2-135m+sft")
    found = card(run.folder, "Q")
    assert [one.count for one in found.figures] == ["1 of 30 right", "20 of 40 right"]
    assert found.test.endswith("over the 30 questions that both answered")


def test_the_best_untrained_method_is_the_reference_without_a_before(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    asked = questions(20)
    run.stage("sft", "sft")
    run.evaluate("closed", "Q", asked, {0}, method="closed-book")
    run.evaluate("rag", "Q", asked, range(4), method="rag")
    run.evaluate("after", "Q", asked, range(16), maker="sft", model="smollm2-135m+sft")
    found = card(run.folder, "Q")
    names = [one.name for one in found.figures]
    assert names == ["untrained, given the results of one search", "after"]
    assert found.verdict.startswith("+60.0 points: shown")


def test_arms_of_several_seeds_are_named(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    asked = questions(30)
    for seed in (1, 2):
        for arm, count in (("mixed", 10), ("staged", 11)):
            run.stage(f"{arm}-s{seed}", "rl")
            model = {"maker": f"{arm}-s{seed}", "model": "smollm2-135m+sft+rl"}
            run.evaluate(f"{arm}-q-s{seed}", "Q", asked, range(count + seed), **model)
    found = card(run.folder, "Q")
    assert [(one.name, one.count) for one in found.figures] == [
        ("mixed", "11.5 of 30 right"),
        ("staged", "12.5 of 30 right"),
    ]
    assert "2 seeds x 30 questions" in found.test


def test_models_without_training_have_a_figure_each(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    for number, method in enumerate(("closed-book", "rag", "agent-prompted", "agent")):
        run.evaluate(method, "Q", questions(10), range(number), method=method)
    found = card(run.folder, "Q")
    assert [one.score for one in found.figures] == ["0.0", "10.0", "20.0"]
    assert found.test == "No trained model was evaluated; 1 more evaluation below."


def test_the_card_is_the_first_part_of_the_page(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.stage("sft", "sft")
    evil = "</h3><script>alert(1)</script>\u202e"
    run.evaluate("before", evil, questions(20), {0})
    run.evaluate("after", evil, questions(20), range(18), maker="sft", model="smollm2-135m+sft")
    build_report(run.folder, tmp_path / "r.html", ReportSettings())
    page = (tmp_path / "r.html").read_text()
    main = page[page.index("<main") :]
    assert main.index('id="summary"') < main.index('id="conclusion"') < main.index('id="scores"')
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "+85.0 points: shown, p " in page


def test_a_run_without_evaluations_has_no_card(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    assert concluded(run.folder).cards == ()
    loaded = load_run(run.folder, trajectories=False)
    assert suites_of(loaded) == []
    assert paired.Tests(loaded).arms == []
    build_report(run.folder, tmp_path / "r.html", ReportSettings())
    assert 'id="summary"' not in (tmp_path / "r.html").read_text()
