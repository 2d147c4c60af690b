"""Headlines of runs, and what they do not show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kit.finished_run import FinishedRun, demo_run, questions, ramp_tasks

from masksearch.report.conclusion.build import Conclusion, conclude
from masksearch.report.load import load_run

ONE_SEED = "One training seed: intervals and p cover the choice of questions, not the seeds' variance."


def concluded(run: FinishedRun) -> Conclusion:
    return conclude(load_run(run.folder, trajectories=False))


def texts(found: Conclusion) -> dict[str, str]:
    return {one.suite: one.text for one in found.headlines}


def test_a_run_like_the_demo(tmp_path: Path) -> None:
    found = concluded(demo_run(tmp_path / "run"))
    heads = texts(found)
    assert list(heads) == ["RAMP, one mask", "RAMP, two masks", "HotpotQA"]
    one = heads["RAMP, one mask"]
    assert one.startswith(
        "Filled 79 of 100 masked facts in unseen articles by searching; "
        "before, 2 (98 answers were not in the asked form). After sft alone: 80. "
        "The untrained model prompted with the protocol and an example: 3 of the first 40, "
        "given the results of one search: 12 of the first 40. Gain over before +77.0 F1 ["
    )
    assert "; over untrained, given the results of one search +70.0 F1 [" in one
    assert heads["RAMP, two masks"] == "Filled 18 of 40 texts with two masks in unseen articles by searching."
    assert heads["HotpotQA"] == (
        "Answered 4 of 60 questions by searching; before, 0 (60 answers were not in the asked form). "
        "The untrained model given the results of one search: 3 of the first 30."
    )
    assert [one.good for one in found.headlines] == [True, False, False]
    rl, two, hotpot, rag, seed = found.not_shown
    assert rl.startswith("rl: 3 steps, no measurable gain. RAMP, one mask -1.0 F1 over sft [")
    assert rl.endswith(", n 100, p 1.000.")
    assert two == "RAMP, two masks: not measured before training, so no gain is shown."
    assert hotpot.startswith("HotpotQA: +6.7 F1 over before [")
    assert hotpot.endswith(": not shown.")
    assert rag.startswith("HotpotQA: +3.3 F1 over the untrained model given the results of one search [")
    assert seed == ONE_SEED


def test_without_a_comparison_the_differences_are_tested_all_the_same(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.stage("sft", "sft")
    tasks = ramp_tasks(40)
    run.evaluate("before", "RAMP", tasks, {0})
    run.evaluate("after", "RAMP", tasks, range(30), maker="sft", model="smollm2-135m+sft")
    found = concluded(run)
    text = texts(found)["RAMP"]
    assert text.startswith(
        "Filled 30 of 40 masked facts by searching; "
        "before, 1 (39 answers came from searches that missed the evidence). Gain over before +72.5 F1 ["
    )
    # Two evaluations: the smallest p of 2,000 resamples, times two.
    assert text.endswith("], n 40, p 0.001.")
    assert found.not_shown == (ONE_SEED,)


def test_a_loss_is_called_worse(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.stage("rl", "rl", {"text": "t", "steps": 40, "note": ""})
    tasks = ramp_tasks(40)
    run.evaluate("before", "RAMP", tasks, range(30))
    run.evaluate("after", "RAMP", tasks, range(3), maker="rl", model="smollm2-135m+rl")
    run.compare("before", "after")
    found = concluded(run)
    assert not found.headlines[0].good
    assert "Gain" not in found.headlines[0].text
    assert found.not_shown[0].startswith("RAMP: -67.5 F1 over before [")
    assert found.not_shown[0].endswith(": worse.")


def test_only_finished_stages_of_the_recipe_count(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.evaluate("before", "RAMP", ramp_tasks(4), {1})
    other = FinishedRun(tmp_path / "other")
    other.evaluate("old", "RAMP", ramp_tasks(4), {1})
    (other.path("old")).rename(run.path("old"))
    run.rows[-1]["status"] = "running"
    run.stage("later", "sft", status="waiting")
    assert concluded(run).headlines == ()


def test_models_without_training_are_each_given(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    asked = questions(10)
    run.evaluate("a", "Q", asked, {0}, method="closed-book")
    run.evaluate("b", "Q", asked, {0, 1}, method="rag")
    found = concluded(run)
    assert texts(found)["Q"].startswith("smollm2-135m answered 1 of 10 questions from memory (")
    assert "smollm2-135m answered 2 of 10 questions given the results of one search (" in texts(found)["Q"]
    assert found.not_shown == ()
    assert found.example is None


def test_seeds_are_averaged_and_arms_compared(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    asked = questions(30)
    for seed, right in ((1, range(10)), (2, range(13))):
        for arm, more in (("mixed", 0), ("staged", 1)):
            run.stage(f"{arm}-s{seed}", "rl")
            model = {"maker": f"{arm}-s{seed}", "model": "smollm2-135m+sft+rl"}
            run.evaluate(f"{arm}-q-s{seed}", "Q", asked, range(len(right) + more), **model)
    names = {arm: [f"{arm}-q-s1", f"{arm}-q-s2"] for arm in ("mixed", "staged")}
    run.compare(groups=names)
    found = concluded(run)
    assert texts(found)["Q"] == (
        "Answered 12.5 of 30 questions by searching (mean of 2 seeds). Trained by mixed: 11.5."
    )
    assert len(found.not_shown) == 1
    assert found.not_shown[0].startswith("Q: staged +3.3 F1 over mixed [")
    assert [(row.model, row.seeds, row.n) for row in found.scores] == [("mixed", 2, 30), ("staged", 2, 30)]
    assert all(row.interval for row in found.scores)


def seeded_run(folder: Path, right: list[int]) -> FinishedRun:
    """A run of one trained model with several seeds, each evaluated on 60 questions, and an untrained one."""
    run = FinishedRun(folder)
    asked = questions(60)
    run.evaluate("before", "Q", asked, range(10))
    for seed, count in enumerate(right, 1):
        run.stage(f"sft-s{seed}", "sft")
        model = {"maker": f"sft-s{seed}", "model": "smollm2-135m+sft"}
        run.evaluate(f"after-s{seed}", "Q", asked, range(count), **model)
    return run


def test_the_gain_of_several_seeds_is_not_that_of_the_first(tmp_path: Path) -> None:
    """Its test has the seeds as units, also where a comparison tests each seed for itself."""
    run = seeded_run(tmp_path / "run", [40, 12, 11])
    run.compare("before", "after-s1", "after-s2", "after-s3")
    found = concluded(run)
    assert "mean of 3 seeds" in texts(found)["Q"]
    assert "Gain" not in texts(found)["Q"]
    assert not found.headlines[0].good
    assert found.not_shown[0].startswith("Q: +18.3 F1 over before [")
    assert "3 and 1 seeds x 60 questions" in found.not_shown[0]
    assert ONE_SEED not in found.not_shown
    after = next(row for row in found.scores if row.seeds == 3)
    assert after.interval is not None
    # The second and third seed alone have 20% and 18.3%: the interval reaches that far.
    assert after.interval[0] < 0.2
    assert after.f1 == pytest.approx(21 / 60)


def test_seeds_that_agree_show_their_gain(tmp_path: Path) -> None:
    run = seeded_run(tmp_path / "run", [40, 41, 39])
    found = concluded(run)
    assert found.headlines[0].good
    assert "Gain over before +50.0 F1 [" in texts(found)["Q"]
    assert "3 and 1 seeds x 60 questions, p " in texts(found)["Q"]


def test_the_arms_of_a_comparison_are_the_tests_of_their_seeds(tmp_path: Path) -> None:
    run = seeded_run(tmp_path / "run", [40, 41, 39])
    run.compare(groups={"untrained": ["before"], "trained": ["after-s1", "after-s2", "after-s3"]})
    found = concluded(run)
    comparison = json.loads((run.path("comparison") / "comparison.json").read_text())
    (pair,) = comparison["arm_pairs"]
    low, high = (f"{100 * bound:+.1f}" for bound in pair["metrics"]["f1"]["interval"])
    assert f"Gain over before +50.0 F1 [{low}, {high}], 3 and 1 seeds x 60 questions" in texts(found)["Q"]


def test_one_model_evaluated_for_every_seed_is_one_seed(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    asked = questions(40)
    for seed in (1, 2):
        run.evaluate(f"before-s{seed}", "Q", asked, range(10))
    for seed, count in ((1, 12), (2, 14)):
        run.stage(f"sft-s{seed}", "sft")
        model = {"maker": f"sft-s{seed}", "model": "smollm2-135m+sft"}
        run.evaluate(f"after-s{seed}", "Q", asked, range(count), **model)
    found = concluded(run)
    assert "2 and 1 seeds x 40 questions" in found.not_shown[0]
    before = next(row for row in found.scores if row.f1 == 0.25)
    assert before.interval is not None


def test_rounds_of_self_evolution(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    summary = {"rounds": 2, "heldout": [0.412, 0.5], "model_round": 2, "kept": 70, "seed_data": 60}
    run.stage("evolve", "evolve", {**summary, "stopped": "All 2 rounds are done.", "text": "t"})
    run.stage("student", "sft")
    tasks = ramp_tasks(20)
    run.evaluate("teacher-test", "RAMP", tasks, range(10), maker="evolve", model="smollm2-135m+sft")
    run.evaluate("student-test", "RAMP", tasks, range(11), maker="student", model="smollm2-135m+sft")
    found = concluded(run)
    assert texts(found)["RAMP"].startswith("Filled 11 of 20 masked facts by searching.")
    assert "Trained by evolve: 10." in texts(found)["RAMP"]
    assert texts(found)["evolve"] == (
        "All 2 rounds are done. Held-out F1 by round: 41.2, 50.0%. "
        "The model is that of round 2; 70 trajectories were kept in addition to 60."
    )
    assert found.not_shown[0].startswith("RAMP: +5.0 F1 over evolve [")
    assert found.example is not None
    assert found.example.before is None


def test_degraded_searches_are_no_headline(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.stage("sft", "sft")
    asked, trained = questions(30), {"maker": "sft", "model": "smollm2-135m+sft"}
    run.evaluate("agent", "Q", asked, range(20), **trained)
    run.evaluate("drop", "Q", asked, range(19), **trained, search={"noise": {"drop": 0.2}})
    run.compare("agent", "drop", baseline="")
    found = concluded(run)
    assert texts(found)["Q"].startswith("Answered 20 of 30")
    assert any(
        text.startswith("Q, drop 20%: -3.3 F1 against the original search [") for text in found.not_shown
    )
    assert [row.model for row in found.scores] == ["smollm2-135m+sft", "smollm2-135m+sft, drop 20%"]


def test_a_short_rl_stage_without_a_test_keeps_its_note(tmp_path: Path) -> None:
    run = FinishedRun(tmp_path / "run")
    run.stage("rl", "rl", {"text": "t", "steps": 3, "note": "3 steps show nothing."})
    run.stage("halted", "rl", {"text": "t", "note": "Stopped by an alarm.", "stopped": "reward"})
    assert concluded(run).not_shown == ("rl: 3 steps show nothing.",)
