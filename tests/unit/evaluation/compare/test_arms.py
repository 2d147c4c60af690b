"""Arms of several seeds: units, copies of a seed, the order of seeds, false stars, output."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masksearch.errors import UsageError
from masksearch.evaluation.compare.stage import run_compare
from masksearch.evaluation.compare.units import unit
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics.resampling import paired_difference


def evaluation(
    path: Path,
    scores: Sequence[float],
    model: str,
    suite: str = "hotpot",
    model_hash: str = "",
    seconds: float = 1.0,
    **columns: Any,
) -> str:
    """Writes a results file of one seed, with the questions q0, q1, ..."""
    rows = [
        {
            "id": f"q{number}",
            "prediction": "",
            "recall": float(f1),
            "precision": float(f1),
            "f1": float(f1),
            "em": float(f1 == 1),
            "valid": 1,
            "seconds": seconds,
            **columns,
        }
        for number, f1 in enumerate(scores)
    ]
    results = summarise(
        rows,
        suite=suite,
        method="agent",
        model="smollm2+sft",
        retriever="bm25:1",
        settings={"model": model},
        bootstrap=100,
        seed=1,
        provenance={"model_hash": model_hash},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save(results, path)
    return str(path)


def compared(tmp_path: Path, groups: dict[str, list[str]], **settings: Any) -> tuple[str, dict[str, Any]]:
    chosen = {"bootstrap": 500, "metric": ["f1"], "groups": groups, **settings}
    output = tmp_path / "out" / "comparison.json"
    summary = run_compare(CompareSettings.model_validate(chosen), output, tmp_path)
    return summary["table"], json.loads(output.read_text())


def arm(tmp_path: Path, name: str, scores: Sequence[Sequence[float]], **more: Any) -> list[str]:
    suite = more.get("suite", "hotpot")
    return [
        evaluation(tmp_path / name / suite / f"s{seed}.json", one, f"runs/{name}-s{seed}/checkpoint", **more)
        for seed, one in enumerate(scores, 1)
    ]


def lucky(tmp_path: Path) -> dict[str, list[str]]:
    """Two arms of three seeds without a true difference, whose seeds differ by more than the arms."""
    rng = np.random.default_rng(8)
    base = rng.uniform(0.2, 0.7, 160)
    noise = rng.normal(0, 0.02, (6, 160))
    shifts = [0.0, 0.02, -0.02, 0.12, 0.02, 0.0]
    scores = [np.clip(base + shift + one, 0, 1) for shift, one in zip(shifts, noise, strict=True)]
    return {"control": arm(tmp_path, "control", scores[:3]), "lucky": arm(tmp_path, "lucky", scores[3:])}


def test_a_lucky_seed_gets_no_star(tmp_path: Path) -> None:
    groups = lucky(tmp_path)
    table, found = compared(tmp_path, groups)
    (pair,) = found["arm_pairs"]
    test = pair["metrics"]["f1"]
    assert test["difference"] == pytest.approx(0.0467, abs=0.003)
    assert test["p"] > 0.1
    assert test["interval"][0] < 0 < test["interval"][1]
    # The same means with questions as the only units: a false star.
    rows = {
        name: [json.loads(Path(path).read_text())["per_question"] for path in paths]
        for name, paths in groups.items()
    }
    means = {
        name: np.mean([[row["f1"] for row in seed] for seed in seeds], axis=0) for name, seeds in rows.items()
    }
    assert paired_difference(means["lucky"], means["control"], 500, 1).p < 0.01
    assert not re.search(r"\d\^?\*", table)
    assert pair["seeds"] == [3, 3]
    assert "(t test over seeds x questions)" in table
    assert "p_adjusted" in test


def test_the_tables_name_the_unit(tmp_path: Path) -> None:
    table, found = compared(tmp_path, lucky(tmp_path))
    assert {entry["unit"] for entry in found["arms"]} == {"3 seeds x 160 questions"}
    assert found["arm_pairs"][0]["unit"] == "3 seeds x 160 questions"
    assert "Units: hotpot 3 seeds x 160 questions." in table
    assert "with 95% intervals over seeds and questions" in table
    differences = table.split("Paired differences between arms")[1]
    assert "3 seeds x 160 questions" in differences
    text, _ = compared(tmp_path, lucky(tmp_path), format="csv")
    lines = list(csv.DictReader(text.splitlines()))
    assert {line["unit"] for line in lines if line["kind"] == "arm"} == {"3 seeds x 160 questions"}
    single, _ = compared(tmp_path, {}, results=lucky(tmp_path)["control"][:1], format="csv")
    assert {line["unit"] for line in csv.DictReader(single.splitlines())} == {"1 seed x 160 questions"}


def test_names_of_units() -> None:
    assert unit([{3}, {3}], 160) == "3 seeds x 160 questions"
    assert unit([{1}], 1) == "1 seed x 1 question"
    assert unit([{3}, {1}], 60) == "3 and 1 seeds x 60 questions"
    assert unit([{2, 3}], 320, 2) == "2-3 seeds x 320 questions of 2 suites"


def test_one_seed_keeps_the_test_over_questions_and_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.uniform(size=(2, 40))
    groups = {"control": arm(tmp_path, "control", [a]), "other": arm(tmp_path, "other", [b])}
    table, found = compared(tmp_path, groups)
    test = found["arm_pairs"][0]["metrics"]["f1"]
    plain = paired_difference(b, a, 500, 1)
    assert (test["difference"], *test["interval"], test["p"]) == tuple(plain)
    assert "one seed each: the variance between seeds is not included" in table
    assert "with 95% intervals over the questions" in table
    assert found["arm_pairs"][0]["unit"] == "1 seed x 40 questions"
    # An arm with one seed against one with three.
    groups["three"] = arm(tmp_path, "three", rng.uniform(size=(3, 40)))
    table, found = compared(tmp_path, groups)
    assert found["arm_pairs"][1]["unit"] == "3 and 1 seeds x 40 questions"
    assert "of an arm with one seed, the variance between seeds is not included" in table


def test_one_file_as_two_seeds_is_refused(tmp_path: Path) -> None:
    one, other = arm(tmp_path, "x", [[0.0, 0.5, 1.0], [0.5, 0.5, 1.0]])
    with pytest.raises(UsageError, match=rf"'x' has {one} twice as two seeds of 'hotpot'"):
        compared(tmp_path, {"x": [one, other, one]})
    copy = str(tmp_path / "copy.json")
    shutil.copy(one, copy)
    with pytest.raises(
        UsageError, match=rf"'x' has {one} and {copy} as two seeds of 'hotpot', but they hold"
    ):
        compared(tmp_path, {"x": [one, other, copy]})


def test_a_second_evaluation_of_one_checkpoint_is_no_second_seed(tmp_path: Path) -> None:
    scores = [0.0, 0.5, 1.0]
    model = "runs/x-s1/checkpoint"
    first = evaluation(tmp_path / "a.json", scores, model)
    again = evaluation(tmp_path / "b.json", scores, model, seconds=2.0)
    with pytest.raises(UsageError, match=r"a\.json and .*b\.json as two seeds"):
        compared(tmp_path, {"x": [first, again]})
    # The same weights under another name; training twice with one seed gives such files.
    hashed = [
        evaluation(tmp_path / f"{number}.json", scores, f"runs/x-s{number}/checkpoint", model_hash="abc")
        for number in (1, 2)
    ]
    with pytest.raises(UsageError, match=r"1\.json and .*2\.json as two seeds"):
        compared(tmp_path, {"x": hashed})
    # Different weights may give the same answers, and one checkpoint other answers when it is sampled.
    different = [
        evaluation(tmp_path / f"{number}.json", scores, f"runs/x-s{number}", model_hash=f"h{number}")
        for number in (3, 4)
    ]
    sampled = evaluation(tmp_path / "5.json", [0.0, 1.0, 1.0], model)
    _, found = compared(tmp_path, {"x": different, "y": [first, sampled]})
    assert [entry["seeds"] for entry in found["arms"]] == [2, 2]


def test_seeds_of_several_suites_are_matched_by_checkpoint(tmp_path: Path) -> None:
    scores = [[0.1, 0.2], [0.5, 0.6], [0.8, 0.9]]
    hotpot, wiki = arm(tmp_path, "x", scores), arm(tmp_path, "x", scores, suite="2wiki")
    _, found = compared(tmp_path, {"x": [*hotpot, *reversed(wiki)]})
    mean = next(entry for entry in found["arms"] if entry["suite"] == "mean of suites")
    assert [seed["f1"] for seed in mean["by_seed"]] == pytest.approx([0.15, 0.55, 0.85])
    assert mean["unit"] == "3 seeds x 4 questions of 2 suites"
    assert mean["sources"] == [*hotpot, *wiki]


def test_the_same_id_in_two_suites_is_two_questions(tmp_path: Path) -> None:
    hotpot = arm(tmp_path, "x", [[0.0, 0.2], [0.1, 0.2]])
    wiki = arm(tmp_path, "x", [[0.8, 1.0, 0.9], [0.9, 1.0, 0.9]], suite="2wiki")
    _, found = compared(tmp_path, {"x": [*hotpot, *wiki]})
    pooled = next(entry for entry in found["arms"] if entry["suite"] == "all suites")
    assert pooled["n"] == 5
    assert pooled["unit"] == "2 seeds x 5 questions of 2 suites"


def test_shares_of_arms_and_results_have_wilsons_interval(tmp_path: Path) -> None:
    zeros = [[0.0] * 60] * 3
    groups = {"x": arm(tmp_path, "x", zeros)}
    table, found = compared(tmp_path, groups, metric=["em", "valid"], intervals=True, results=groups["x"][:1])
    (entry,) = found["arms"]
    for metric in ("em", "f1"):
        assert entry["intervals"][metric] == pytest.approx([0.0, 0.0602], abs=1e-4)
    assert entry["intervals"]["valid"] == pytest.approx([0.9398, 1.0], abs=1e-4)
    assert "0.0 [0.0, 6.0]" in table
    assert "100.0 [94.0, 100.0]" in table
    assert "[0.0, 0.0]" not in table
    assert "[100.0, 100.0]" not in table
    assert found["main"][0]["rows"][0]["cells"]["hotpot"]["interval"] == pytest.approx([0, 0.0602], abs=1e-4)


def test_a_results_file_of_an_earlier_version(tmp_path: Path) -> None:
    """Its bootstrap intervals of shares have no width; the tables have Wilson's."""
    path = Path(evaluation(tmp_path / "old.json", [0.0] * 60, "m"))
    old = json.loads(path.read_text())
    old["intervals"] = {name: [value, value] for name, value in old["metrics"].items() if name != "seconds"}
    old["provenance"] = {}
    path.write_text(json.dumps(old))
    table, found = compared(tmp_path, {}, results=[str(path)])
    assert found["rows"][0]["intervals"]["valid"] == pytest.approx([0.9398, 1.0], abs=1e-4)
    assert "[100.0, 100.0]" not in table


def test_the_warning_of_too_few_resamples_is_about_resampling(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    groups = {name: arm(tmp_path, name, rng.uniform(size=(2, 20))) for name in "abcdef"}
    _, found = compared(tmp_path, groups, bootstrap=100)
    assert found["tests"]["f1"] == 15
    assert found["warnings"] == []
