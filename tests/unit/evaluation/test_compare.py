"""Comparison: pairs by question, refusals, arms over seeds, tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from masksearch.errors import UsageError
from masksearch.evaluation.compare import label, run_compare
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.tables import format_table, with_interval
from masksearch.settings import CompareSettings
from masksearch.types import Results

Method = Literal["agent", "rag", "closed-book"]


def make(path: Path, scores: dict[str, float], suite: str = "hotpot", retriever: str = "bm25:1", name: str = "m", method: Method = "agent") -> str:
    rows = [{"id": key, "prediction": "", "recall": f1, "precision": f1, "f1": f1, "em": float(f1 == 1), "valid": 1} for key, f1 in scores.items()]
    save(summarise(rows, suite=suite, method=method, model=name, retriever=retriever, settings={}, bootstrap=100, seed=1), path)
    return str(path)


def compare(tmp_path: Path, **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    summary = run_compare(CompareSettings.model_validate({"bootstrap": 200, **settings}), tmp_path / "out" / "comparison.json", tmp_path)
    return summary, json.loads((tmp_path / "out" / "comparison.json").read_text())


def test_rows_and_pairs(tmp_path: Path) -> None:
    before = make(tmp_path / "a.json", {"1": 0.0, "2": 0.5, "3": 0.5}, name="before")
    after = make(tmp_path / "b.json", {"2": 1.0, "3": 0.5, "4": 1.0}, name="after")
    other = make(tmp_path / "c.json", {"1": 1.0}, suite="musique")
    summary, found = compare(tmp_path, results=[before, after, other])
    assert [row["label"] for row in found["rows"]] == ["before", "after", "m"]
    (pair,) = found["pairs"]  # the baseline itself, and the only result of its suite, have none
    assert (pair["label"], pair["baseline"], pair["n"]) == ("after", "before", 2)
    assert pair["metrics"]["f1"]["difference"] == pytest.approx(0.25)
    assert set(pair["metrics"]) == {"f1", "em", "recall", "valid"}
    assert summary["table"] == found["table"]
    assert (tmp_path / "out" / "comparison.md").read_text() == summary["table"] + "\n"
    assert "| hotpot  | agent  | before |   3 | 0.33 [" in summary["table"]


def test_a_named_baseline(tmp_path: Path) -> None:
    first, second = make(tmp_path / "a.json", {"1": 0.0}, name="x"), make(tmp_path / "b.json", {"1": 1.0}, name="y")
    base = make(tmp_path / "base.json", {"1": 0.5}, name="base")
    _, found = compare(tmp_path, results=[first, second], baseline=base)
    pairs = [(pair["label"], pair["baseline"], pair["metrics"]["f1"]["difference"]) for pair in found["pairs"]]
    assert pairs == [("x", "base", -0.5), ("y", "base", 0.5), ("y", "x", 1.0)]  # and each against the one before it


def test_the_baseline_of_another_suite_is_the_same_model(tmp_path: Path) -> None:
    paths = [make(tmp_path / f"{suite}{name}.json", {"1": 0.0}, suite=suite, name=name) for suite, name in (("s", "a"), ("s", "b"), ("t", "a"), ("t", "b"))]
    _, found = compare(tmp_path, results=paths, baseline=paths[1])
    assert [(pair["suite"], pair["label"], pair["baseline"]) for pair in found["pairs"]] == [("s", "a", "b"), ("t", "a", "b")]


def test_results_without_shared_questions_are_not_paired(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.json", {"1": 0.0}), make(tmp_path / "b.json", {"2": 0.0})]
    assert compare(tmp_path, results=paths)[1]["pairs"] == []


def test_different_retrievers_are_refused(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.json", {"1": 0.0}), make(tmp_path / "b.json", {"1": 0.0}, retriever="bm25:2")]
    with pytest.raises(UsageError, match=r"a\.json and .*b\.json both measure 'hotpot', but with different retrievers"):
        compare(tmp_path, results=paths)
    with pytest.raises(UsageError, match="different retrievers"):
        compare(tmp_path, results=[], groups={"x": paths[:1], "y": paths[1:]})
    assert len(compare(tmp_path, results=paths, allow_different_retrievers=True)[1]["pairs"]) == 1


def test_closed_book_and_other_suites_need_no_common_retriever(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / "a.json", {"1": 0.0}),
        make(tmp_path / "b.json", {"1": 0.0}, retriever="", method="closed-book"),
        make(tmp_path / "c.json", {"1": 0.0}, retriever="bm25:2", suite="musique"),
    ]
    assert "m (closed-book)" in compare(tmp_path, results=paths)[0]["table"]


def test_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(tmp_path, results=[])


def test_arms_are_averaged_over_seeds_and_pooled_over_suites(tmp_path: Path) -> None:
    def arm(name: str, hotpot: list[dict[str, float]], wiki: list[dict[str, float]]) -> list[str]:
        made = [make(tmp_path / f"{name}-h{seed}.json", scores) for seed, scores in enumerate(hotpot)]
        return made + [make(tmp_path / f"{name}-w{seed}.json", scores, suite="2wiki") for seed, scores in enumerate(wiki)]

    alone = arm("alone", [{"1": 0.0, "2": 0.5}, {"1": 0.5, "2": 0.5}], [{"1": 0.0}, {"1": 0.0}])
    ramp = arm("ramp", [{"1": 1.0, "2": 0.5}, {"1": 1.0, "2": 0.0}], [{"1": 1.0}, {"1": 0.5}])
    summary, found = compare(tmp_path, results=[], groups={"alone": alone, "ramp": ramp})
    arms = {(arm["arm"], arm["suite"]): arm for arm in found["arms"]}
    assert arms["alone", "hotpot"]["metrics"]["f1"] == pytest.approx(0.375)
    assert [seed["f1"] for seed in arms["alone", "hotpot"]["by_seed"]] == [0.25, 0.5]
    assert (arms["ramp", "all suites"]["n"], arms["ramp", "all suites"]["seeds"]) == (3, 2)
    assert arms["ramp", "all suites"]["metrics"]["f1"] == pytest.approx((1 + 0.25 + 0.75) / 3)
    assert [seed["f1"] for seed in arms["ramp", "all suites"]["by_seed"]] == pytest.approx([2.5 / 3, 0.5])
    pairs = {pair["suite"]: pair for pair in found["arm_pairs"]}
    assert (pairs["hotpot"]["a"], pairs["hotpot"]["b"]) == ("ramp", "alone")  # the later arm minus the earlier
    assert pairs["hotpot"]["metrics"]["f1"]["difference"] == pytest.approx((0.75 - 0.25) / 2)
    assert pairs["all suites"]["metrics"]["f1"]["difference"] == pytest.approx((0.75 - 0.25 + 0.75) / 3)
    assert "Arms, averaged over seeds" in summary["table"]


def test_an_arm_must_be_of_one_kind(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.json", {"1": 0.0}), make(tmp_path / "b.json", {"1": 0.0}, method="rag")]
    with pytest.raises(UsageError, match="different methods"):
        compare(tmp_path, results=[], groups={"x": paths})
    with pytest.raises(UsageError, match="'x' has no results"):
        compare(tmp_path, results=[], groups={"x": []})


def test_labels() -> None:
    base: dict[str, Any] = {"suite": "s", "method": "agent", "retriever": "", "n": 0, "metrics": {}, "intervals": {}, "per_question": []}
    assert label(Results(model="/runs/x/stages/sft/model", **base)) == "sft"
    assert label(Results(model="openai:gpt", **base)) == "openai:gpt"
    assert label(Results(model="Qwen/Qwen2.5-7B", **base)) == "Qwen/Qwen2.5-7B"
    assert label(Results(model="/x", settings={"label": "after SFT"}, **base)) == "after SFT"


def test_tables_line_up_and_are_markdown() -> None:
    assert format_table(("name", "n"), [("a|b", "5"), ("long\nname", "1234")], "lr").splitlines() == [
        "| name      |    n |",
        "| --------- | ---: |",
        "| a\\|b      |    5 |",
        "| long name | 1234 |",
    ]
    assert format_table(("x",), []) == "| x   |\n| --- |"
    assert with_interval(0.714, (0.6, 0.8)) == "0.71 [0.60, 0.80]"
    assert with_interval(0.0, (-0.1, 0.1), signed=True) == "+0.000 [-0.100, +0.100]"
    assert with_interval(1, None) == "1.00"
