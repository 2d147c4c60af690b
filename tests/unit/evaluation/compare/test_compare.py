"""Comparison: paired tests, rejected comparisons, means over suites, degraded searches, arms, tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from masksearch.errors import UsageError
from masksearch.evaluation.compare.stage import label, run_compare
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.tables import PREAMBLE
from masksearch.types import Method, Results


def make(
    path: Path,
    scores: dict[str, float],
    suite: str = "hotpot",
    retriever: str = "bm25:1",
    name: str = "m",
    method: Method = "agent",
    settings: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    **columns: Any,
) -> str:
    """Writes a results file; `columns` are further columns, one value for each question (None: without a
    value)."""
    rows = [
        {
            "id": key,
            "prediction": "",
            "recall": f1,
            "precision": f1,
            "f1": f1,
            "em": float(f1 == 1),
            "valid": 1,
        }
        for key, f1 in scores.items()
    ]
    for column, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row |= {} if value is None else {column: value}
    results = summarise(
        rows,
        suite=suite,
        method=method,
        model=name,
        retriever=retriever,
        settings=settings or {},
        bootstrap=100,
        seed=1,
    )
    save(results.model_copy(update={"provenance": provenance or {}}), path)
    return str(path)


def many(count: int, value: float) -> dict[str, float]:
    return {str(number): value for number in range(count)}


def compare(tmp_path: Path, **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    summary = run_compare(
        CompareSettings.model_validate({"bootstrap": 200, **settings}),
        tmp_path / "out" / "comparison.json",
        tmp_path,
    )
    return summary, json.loads((tmp_path / "out" / "comparison.json").read_text())


def test_rows_and_pairs(tmp_path: Path) -> None:
    before = make(tmp_path / "a.json", {"1": 0.0, "2": 0.5, "3": 0.5}, name="before")
    after = make(tmp_path / "b.json", {"2": 1.0, "3": 0.5, "4": 1.0}, name="after")
    other = make(tmp_path / "c.json", {"1": 1.0}, suite="musique")
    summary, found = compare(
        tmp_path, results=[before, after, other], allow_different_questions=True, format="markdown"
    )
    assert [row["label"] for row in found["rows"]] == ["before", "after", "m"]
    (pair,) = found["pairs"]  # the baseline, and the only result of its suite, have no pair
    assert (pair["label"], pair["baseline"], pair["n"]) == ("after", "before", 2)
    assert pair["metrics"]["f1"]["difference"] == pytest.approx(0.25)
    assert set(pair["metrics"]) == {"f1", "em", "recall", "valid"}
    assert pair["metrics"]["f1"]["n"] == 2
    assert summary["table"] == found["table"]
    assert (tmp_path / "out" / "comparison.md").read_text() == summary["table"] + "\n"
    assert "| hotpot  | agent  | before |   3 |" in summary["table"]
    assert "Questions: hotpot 2, musique 1." in summary["table"]


def test_a_named_baseline(tmp_path: Path) -> None:
    first, second = (
        make(tmp_path / "a.json", {"1": 0.0}, name="x"),
        make(tmp_path / "b.json", {"1": 1.0}, name="y"),
    )
    base = make(tmp_path / "base.json", {"1": 0.5}, name="base")
    _, found = compare(tmp_path, results=[first, second], baseline=base)
    pairs = [
        (pair["label"], pair["baseline"], pair["metrics"]["f1"]["difference"]) for pair in found["pairs"]
    ]
    # Each against the baseline and against the one listed before it.
    assert pairs == [("x", "base", -0.5), ("y", "base", 0.5), ("y", "x", 1.0)]


def test_the_baseline_of_another_suite_is_the_same_model(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / f"{suite}{name}.json", {"1": 0.0}, suite=suite, name=name)
        for suite, name in (("s", "a"), ("s", "b"), ("t", "a"), ("t", "b"))
    ]
    _, found = compare(tmp_path, results=paths, baseline=paths[1])
    assert [(pair["suite"], pair["label"], pair["baseline"]) for pair in found["pairs"]] == [
        ("s", "a", "b"),
        ("t", "a", "b"),
    ]


def test_results_without_shared_questions_are_not_paired(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.json", {"1": 0.0}), make(tmp_path / "b.json", {"2": 0.0})]
    summary, found = compare(tmp_path, results=paths, allow_different_questions=True)
    assert found["pairs"] == []
    assert "hotpot: no shared questions, so each result uses its own" in summary["table"]


def test_different_retrievers_are_refused(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.json", {"1": 0.0}), make(tmp_path / "b.json", {"1": 0.0}, retriever="bm25:2")]
    with pytest.raises(
        UsageError, match=r"a\.json and .*b\.json both measure 'hotpot', but with different retrievers"
    ):
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


def test_different_questions_are_refused(tmp_path: Path) -> None:
    first = make(
        tmp_path / "a.json",
        {"1": 0.0, "2": 1.0},
        answers=[["x"], ["y", "z"]],
        provenance={"questions_hash": "h"},
    )
    fewer = make(tmp_path / "b.json", {"1": 0.5}, answers=[["x"]])
    with pytest.raises(
        UsageError,
        match=r"a\.json and .*b\.json .*different questions "
        r"\(1 are only in the first, 0 only .* the 1 questions that they share",
    ):
        compare(tmp_path, results=[first, fewer])
    golds = make(tmp_path / "c.json", {"1": 0.5, "2": 0.5}, answers=[["x"], ["other"]])
    with pytest.raises(UsageError, match=r"1 with other gold answers, such as '2'"):
        compare(tmp_path, results=[first, golds])
    _, found = compare(tmp_path, results=[first, golds], allow_different_questions=True)
    assert found["pairs"][0]["n"] == 1
    # Means over the one question that they share.
    assert [row["cells"]["hotpot"]["value"] for row in found["main"][0]["rows"]] == [0.0, 0.5]
    texts = make(
        tmp_path / "d.json",
        {"1": 0.5, "2": 0.5},
        answers=[["x"], ["z", "y"]],
        provenance={"questions_hash": "other"},
    )
    with pytest.raises(UsageError, match="the same ids, but other texts"):
        compare(tmp_path, results=[first, texts])
    turned = make(
        tmp_path / "e.json",
        {"2": 0.5, "1": 0.5},
        answers=[["y", "z"], ["x"]],
        provenance={"questions_hash": "order"},
    )
    assert compare(tmp_path, results=[first, turned])[1]["pairs"][0]["n"] == 2


def test_different_conditions_give_a_warning(tmp_path: Path) -> None:
    def made(name: str, method: Method = "agent", prompt: str = "p", **settings: Any) -> str:
        agent = {"top_k": 2, "max_searches": 4, "answer_form": "spans"} | settings.pop("agent", {})
        values = {"temperature": 0.0, "agent": agent, **settings}
        return make(
            tmp_path / f"{name}.json",
            {"1": 0.0},
            name=name,
            method=method,
            settings=values,
            provenance={"prompt_hash": prompt, "decoding": {"dtype": ""}},
        )

    base = made("a")
    fine = made("b", "rag", "other prompt", agent={"max_searches": 1}, search={"rate": 1})
    assert compare(tmp_path, results=[base, fine])[1]["warnings"] == []
    hot = made("c", temperature=1.0, agent={"answer_form": "paragraph"})
    reworded = made("d", "rag", "another prompt")
    summary, found = compare(tmp_path, results=[base, fine, hot, reworded])
    decoding, prompt = found["warnings"]
    assert decoding.startswith(
        f"{base} and {hot} ('hotpot') were evaluated under different conditions "
        "(answer_form spans and paragraph, temperature 0.0 and 1.0)"
    )
    assert f"{fine} and {reworded}" in prompt
    assert f"Note: {decoding}" in summary["table"]


def test_failed_questions_give_a_warning(tmp_path: Path) -> None:
    path = make(tmp_path / "a.json", {"1": 0.0, "2": 1.0}, failure=["failed", ""])
    (warning,) = compare(tmp_path, results=[path])[1]["warnings"]
    assert warning.startswith(f"1 of the 2 questions of {path} failed (the endpoint or a search)")


def test_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no results to compare"):
        compare(tmp_path, results=[])


def test_arms_are_averaged_over_seeds_and_pooled_over_suites(tmp_path: Path) -> None:
    def arm(name: str, hotpot: list[dict[str, float]], wiki: list[dict[str, float]]) -> list[str]:
        return [
            make(tmp_path / f"{name}-{suite}{seed}.json", scores, suite=suite, name=f"{name}-s{seed}")
            for suite, seeds in (("hotpot", hotpot), ("2wiki", wiki))
            for seed, scores in enumerate(seeds)
        ]

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
    # The later arm minus the earlier one.
    assert (pairs["hotpot"]["a"], pairs["hotpot"]["b"]) == ("ramp", "alone")
    assert pairs["hotpot"]["metrics"]["f1"]["difference"] == pytest.approx((0.75 - 0.25) / 2)
    assert pairs["all suites"]["metrics"]["f1"]["difference"] == pytest.approx((0.75 - 0.25 + 0.75) / 3)
    assert pairs["mean of suites"]["metrics"]["f1"]["difference"] == pytest.approx((0.25 + 0.75) / 2)
    assert arms["ramp", "mean of suites"]["metrics"]["f1"] == pytest.approx((1.25 / 2 + 0.75) / 2)
    assert [seed["f1"] for seed in arms["ramp", "mean of suites"]["by_seed"]] == pytest.approx(
        [(0.75 + 1) / 2, 0.5]
    )
    spread = arms["alone", "hotpot"]["spread"]["f1"]
    assert (spread["min"], spread["max"], spread["sd"]) == pytest.approx((0.25, 0.5, 0.25 / 2**0.5))
    assert "ramp   agent       2  62.5^ (50.0..75.0)  75.0^ (50.0..100.0)" in summary["table"]


def test_suites_of_one_size_are_averaged_once(tmp_path: Path) -> None:
    paths = [make(tmp_path / f"{suite}.json", {"1": 0.5}, suite=suite) for suite in ("s", "t")]
    _, found = compare(tmp_path, results=[], groups={"x": paths})
    assert [arm["suite"] for arm in found["arms"]] == ["s", "t", "mean of suites"]
    assert found["arms"][0]["spread"]["f1"]["sd"] is None


def test_an_arm_must_be_of_one_kind(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a.json", {"1": 0.0}), make(tmp_path / "b.json", {"1": 0.0}, method="rag")]
    with pytest.raises(UsageError, match="different methods"):
        compare(tmp_path, results=[], groups={"x": paths})
    with pytest.raises(UsageError, match="'x' has no results"):
        compare(tmp_path, results=[], groups={"x": []})


def test_labels() -> None:
    base: dict[str, Any] = {
        "suite": "s",
        "method": "agent",
        "retriever": "",
        "n": 0,
        "metrics": {},
        "intervals": {},
        "per_question": [],
    }
    assert label(Results(model="/runs/x/stages/sft/model", **base)) == "sft"
    assert label(Results(model="openai:gpt", **base)) == "openai:gpt"
    assert label(Results(model="Qwen/Qwen2.5-7B", **base)) == "Qwen/Qwen2.5-7B"
    assert label(Results(model="/x", settings={"label": "after SFT"}, **base)) == "after SFT"


# -- the main table --------------------------------------------------------------------------------------

MAIN = """\
Recall (%):

model  method          big   small     avg
-----  -----------  ------  ------  ------
base   closed-book   0.0     50.0   25.0
       agent        50.0*    50.0   50.0
-----  -----------  ------  ------  ------
ramp   agent        75.0^*  100.0^  87.5^*

^ best of its column. Questions: big 40, small 2. avg: mean of the suites' means. \
* differs from the baseline (base, closed-book): p < 0.05 after Holm's correction over 8 tests \
(paired permutation test over questions; one seed each: the variance between seeds is not included)."""


def three_rows(tmp_path: Path) -> list[str]:
    def halves(count: int, *parts: float) -> dict[str, float]:
        return {str(number): parts[number * len(parts) // count] for number in range(count)}

    return [
        make(tmp_path / "a.json", halves(40, 0.0), "big", "", "base", "closed-book"),
        make(tmp_path / "b.json", halves(2, 0.0, 1.0), "small", "", "base", "closed-book"),
        make(tmp_path / "c.json", halves(40, 0.0, 1.0), "big", "r", "base"),
        make(tmp_path / "d.json", halves(40, 0.0, 1.0, 1.0, 1.0), "big", "r", "ramp"),
        make(tmp_path / "e.json", halves(2, 1.0, 0.0), "small", "r", "base"),
        make(tmp_path / "f.json", halves(2, 1.0, 1.0), "small", "r", "ramp"),
    ]


def test_the_main_table(tmp_path: Path) -> None:
    summary, found = compare(tmp_path, results=three_rows(tmp_path), tables=["main"])
    assert summary["table"].split("\n\nRecall (%), averaged over suites")[0] == MAIN
    assert (tmp_path / "out" / "comparison.txt").read_text() == summary["table"] + "\n"
    ramp = found["main"][0]["rows"][2]
    assert (ramp["average"]["value"], ramp["average"]["n"]) == (0.875, 42)
    assert ramp["pooled"]["value"] == pytest.approx(32 / 42)  # in addition to the mean of suites
    assert "ramp   agent        87.5 [" in summary["table"]
    average = {
        pair["label"]: pair["metrics"]["recall"]
        for pair in found["average_pairs"]
        if pair["method"] == "agent"
    }
    assert average["ramp"]["difference"] == pytest.approx((0.75 + 0.5) / 2)
    assert ramp["average"]["p_adjusted"] == average["ramp"]["p_adjusted"]


def test_a_row_that_lacks_a_suite_has_no_mean(tmp_path: Path) -> None:
    summary, found = compare(tmp_path, results=three_rows(tmp_path)[:5], tables=["main"])
    assert [row["average"] is None for row in found["main"][0]["rows"]] == [False, False, True]
    assert found["main"][0]["rows"][2]["pooled"] is None
    assert "ramp   agent        75.0^*      -     -" in summary["table"]


def test_several_measures_intervals_and_decimals(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / f"{name}.json", many(4, f1), name=name, judge_strict=[1, 1, 0, None])
        for name, f1 in (("x", 0.25), ("y", 0.5))
    ]
    summary, found = compare(
        tmp_path, results=paths, metric=["judge_strict", "f1"], intervals=True, digits=2, tables=["main"]
    )
    assert [table["metric"] for table in found["main"]] == ["judge_strict", "f1"]
    assert found["main"][0]["rows"][0]["cells"]["hotpot"]["n"] == 3  # one verdict could not be read
    assert found["rows"][0]["counted"]["judge_strict"] == 3
    assert found["pairs"][0]["metrics"]["judge_strict"]["n"] == 3
    # Four equal scores: at most 49% of other questions (Wilson's bound of 0 of 4) have another score.
    assert "y      agent   50.00^ [25.51, 74.49]" in summary["table"]
    with pytest.raises(UsageError, match="No result has the measure 'cover'; choose from em, "):
        compare(tmp_path, results=paths, metric=["cover"])


def test_rows_with_the_same_label_get_distinct_names(tmp_path: Path) -> None:
    settings = [{"model": "runs/x/stages/sft-s1/checkpoint"}, {"model": "runs/x/stages/sft-s2/checkpoint"}]
    paths = [make(tmp_path / f"{number}.json", {"1": 0.0}, settings=settings[number]) for number in (0, 1)]
    other = make(tmp_path / "other.json", {"1": 0.0}, suite="musique", settings=settings[1])
    _, found = compare(tmp_path, results=[*paths, other])
    assert [(row["label"], row["name"]) for row in found["rows"]] == [
        ("m", "m [sft-s1]"),
        ("m", "m [sft-s2]"),
        ("m", "m [sft-s2]"),
    ]
    (tmp_path / "again").mkdir()
    same = make(tmp_path / "again" / "results.json", {"1": 0.0}, settings=settings[0])
    assert [row["name"] for row in compare(tmp_path, results=[paths[0], same])[1]["rows"]] == [
        "m [0]",
        "m [again]",
    ]


# -- corrections -----------------------------------------------------------------------------------------


def test_all_tests_of_one_measure_are_corrected_together(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / f"{number}.json", {"1": f1, "2": f1, "3": f1}, name=str(number))
        for number, f1 in enumerate((0.0, 0.5, 1.0))
    ]
    _, plain = compare(tmp_path, results=paths, correction="none")
    _, holm = compare(tmp_path, results=paths)
    raw = [pair["metrics"]["f1"]["p"] for pair in plain["pairs"]]
    assert [pair["metrics"]["f1"]["p_adjusted"] for pair in plain["pairs"]] == raw
    assert [pair["metrics"]["f1"]["p"] for pair in holm["pairs"]] == raw
    assert holm["pairs"][0]["metrics"]["f1"]["p_adjusted"] == pytest.approx(min(1, 3 * min(raw)), abs=0.2)
    assert holm["tests"] == {"f1": 3, "em": 3, "recall": 3, "valid": 3}
    _, shifted = compare(tmp_path, results=paths, test="bootstrap")
    assert shifted["pairs"][0]["metrics"]["f1"]["p"] == pytest.approx(1 / 201)


def test_too_few_resamples_for_the_number_of_tests_give_a_warning(tmp_path: Path) -> None:
    paths = [make(tmp_path / f"{number}.json", {"1": 0.0}, name=str(number)) for number in range(5)]
    (warning,) = compare(tmp_path, results=paths, bootstrap=100)[1]["warnings"]
    assert warning.startswith(
        "With 7 tests of one measure and 100 resamples no corrected p can be below 0.069; "
        "set bootstrap to 2000 or more"
    )


# -- degraded searches -----------------------------------------------------------------------------------


def test_degraded_searches_have_their_own_tables(tmp_path: Path) -> None:
    def searched(
        name: str, f1: float, retriever: str = "bm25-1", method: Method = "agent", **settings: Any
    ) -> str:
        return make(
            tmp_path / f"{name}.json", many(20, f1), retriever=retriever, method=method, settings=settings
        )

    paths = [
        searched(
            "half", 0.25, "bm25-1-noisy-0123abcd", search={"noise": {"drop": 0.5, "distract": 0.0, "seed": 1}}
        ),
        searched("plain", 1.0, search={"noise": {"drop": 0.0}}),
        searched("fifth", 0.5, "bm25-1-noisy-abcd0123", search={"noise": {"drop": 0.2, "seed": 1}}),
        searched("gold", 0.0, "bm25-1-without-gold", hide_gold=True),
        searched("closed", 0.0, "", "closed-book", search={"noise": {"drop": 0.2}}),
    ]
    summary, found = compare(tmp_path, results=paths)
    assert [(pair["label"], pair["method"]) for pair in found["pairs"]] == [("m", "closed-book")]
    assert [pair["variant"] for pair in found["robustness"]] == ["drop 20%", "drop 50%", "gold removed"]
    assert [pair["metrics"]["f1"]["difference"] for pair in found["robustness"]] == [-0.5, -0.75, -1.0]
    assert found["tests"]["f1"] == 4
    lines = summary["table"].splitlines()
    at = lines.index("Recall (%) with degraded searches:")
    assert lines[at + 2].split("  ")[-1].strip() == "gold removed"
    assert lines[at + 4].split()[:6] == ["hotpot", "agent", "m", "20", "100.0", "50.0*"]
    (known,) = found["contamination"]
    shares = [known[name] for name in ("ordinary", "closed_book", "gold_removed", "not_known")]
    assert shares == [1, 0, 0, 1]
    assert "Answered right (%), with and without the evidence:" in lines
    with pytest.raises(UsageError, match="different retrievers"):
        compare(
            tmp_path,
            results=[
                paths[1],
                searched("other", 0.5, "bm25-2-noisy-abcd0123", search={"noise": {"drop": 0.2}}),
            ],
        )
    with pytest.raises(UsageError, match="different retrievers"):
        compare(tmp_path, results=[paths[1], searched("other", 0.5, "bm25-2-without-gold", hide_gold=True)])


def test_a_degraded_search_without_its_reference(tmp_path: Path) -> None:
    noise = {"search": {"noise": {"fail": 0.125, "shuffle": 1.0, "seed": 3}}, "hide_gold": True}
    summary, found = compare(tmp_path, results=[make(tmp_path / "a.json", {"1": 0.5}, settings=noise)])
    (pair,) = found["robustness"]
    assert pair["variant"] == "gold removed, shuffle 100%, fail 12.5%, noise seed 3"
    assert (pair["values"]["recall"], pair["metrics"]) == (0.5, {})
    assert found["main"] == found["contamination"] == []
    assert summary["table"].splitlines()[0] == "Scores (%):"


def test_closed_book_alone_is_shown_too(tmp_path: Path) -> None:
    closed = make(
        tmp_path / "a.json",
        {"1": 1.0, "2": 0.5, "3": 0.0, "4": 0.0},
        retriever="",
        method="closed-book",
        judge_strict=[1, 0, 1, None],
    )
    agent = make(tmp_path / "b.json", {"1": 0.0, "2": 1.0, "3": 1.0, "4": 0.0})
    (known,) = compare(tmp_path, results=[closed])[1]["contamination"]
    # Two of three verdicts are right, and the fourth is missing.
    assert (known["closed_book"], known["n"], known["rule"]) == (2 / 3, 3, "judge")
    assert (known["ordinary"], known["method"]) == (None, "")
    (both,) = compare(tmp_path, results=[closed, agent])[1]["contamination"]
    # Only one of the two files is judged, so the F1 of both counts.
    assert (both["closed_book"], both["ordinary"], both["not_known"], both["n"]) == (0.25, 0.5, 2 / 3, 4)
    assert both["rule"] == "f1"


def test_one_column_has_one_rule_of_right(tmp_path: Path) -> None:
    failures = ["", "not_used"]
    judged = make(tmp_path / "a.json", {"1": 0.9, "2": 0.2}, judge_strict=[0, 1], failure=["not_used", ""])
    plain = make(tmp_path / "b.json", {"1": 0.9, "2": 0.2}, failure=failures)
    summary, found = compare(tmp_path, results=[judged, plain])
    assert [row["rule"] for row in found["rows"]] == ["judge", "f1"]
    table = summary["table"]
    assert table.count("Right answers and kinds of failure (% of the questions):") == 2
    assert "Right: the strict judge's verdict." in table
    assert "Right: F1 above 50%, in every mask." in table
    assert "count an answer as right by different rules" in found["warnings"][0]
    with pytest.raises(UsageError, match="One column would hold both; evaluate both with the same judge"):
        compare(tmp_path, results=[judged, plain], metric=["right"])
    assert compare(tmp_path, results=[plain], metric=["right"])[1]["rows"][0]["metrics"]["right"] == 0.5


def test_suites_are_compared_without_case(tmp_path: Path) -> None:
    first = make(tmp_path / "a.json", many(3, 1.0), suite="HotpotQA")
    second = make(tmp_path / "b.json", many(3, 0.0), suite="hotpotqa", name="n")
    third = make(tmp_path / "c.json", many(3, 0.0), suite="hotpot-qa", name="o")
    found = compare(tmp_path, results=[first, second, third])[1]
    assert {row["suite"] for row in found["rows"]} == {"HotpotQA"}
    assert len(found["main"][0]["suites"]) == 1
    other = make(tmp_path / "d.json", many(3, 1.0), suite="My Set")
    same = make(tmp_path / "e.json", many(3, 0.0), suite="my set", name="n")
    assert len(compare(tmp_path, results=[other, same])[1]["pairs"]) == 1


def test_scores_of_several_masks_say_what_they_are(tmp_path: Path) -> None:
    columns = {"masks": [2, 2], "mask_f1": [[1.0, 0.0], [1.0, 1.0]], "em_all": [0, 1], "right": [0, 1]}
    two = make(tmp_path / "a.json", {"1": 0.5, "2": 1.0}, **columns)
    table = compare(tmp_path, results=[two], metric=["em", "em_all"])[0]["table"]
    assert "EM (mean) (%):" in table
    assert "EM (all masks) (%):" in table
    assert "Scores of tasks with several masks are means over the masks" in table
    one = make(tmp_path / "b.json", {"1": 0.5, "2": 1.0}, masks=[1, 1], em_all=[0, 1], right=[0, 1])
    table = compare(tmp_path, results=[one], metric=["em"])[0]["table"]
    assert "all masks" not in table
    assert "EM (%):" in table


# -- details and formats ---------------------------------------------------------------------------------


def test_kinds_of_answers_and_failures(tmp_path: Path) -> None:
    kinds, failures = ["yes_no", "open", "open", "in_question"], ["", "not_used", "", "bad_format"]
    path = make(
        tmp_path / "a.json",
        {"1": 1.0, "2": 0.0, "3": 0.6, "4": 0.25},
        answer_kind=kinds,
        failure=failures,
        seconds=[1.0, 2.0, 3.0, 4.0],
    )
    old = make(tmp_path / "b.json", many(2, 0.5), suite="old", guessable=[1, 0])
    summary, found = compare(tmp_path, results=[path, old])
    assert found["rows"][0]["kinds"] == {"yes_no": 1, "open": 2, "in_question": 1}
    lines = [" ".join(line.split()) for line in summary["table"].splitlines()]
    assert "hotpot agent m 4 1 100.0 100.0 1 25.0 0.0 2 30.0 0.0" in lines
    assert "suite method model n right bad format not used" in lines
    assert "hotpot agent m 4 50.0 25.0 25.0" in lines
    assert "old agent m 2 50.0 50.0 50.0" in lines
    assert "suite method model n seconds, batched" in lines  # columns without any value are omitted
    only, _ = compare(tmp_path, results=[path, old], tables=["failures"])
    assert only["table"].startswith("Right answers and kinds of failure (% of the questions)")


def test_latex_of_a_comparison(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / f"{number}.json", many(30, f1), name=name)
        for number, (name, f1) in enumerate((("a_b & 50%", 0.25), ("c#d", 0.75)))
    ]
    summary, _ = compare(tmp_path, results=paths, format="latex", tables=["main"])
    assert (tmp_path / "out" / "comparison.tex").read_text() == summary["table"] + "\n"
    assert summary["table"].splitlines()[0] == PREAMBLE
    assert summary["table"].splitlines()[7:] == [
        "\\begin{tabular}{llr}",
        "\\toprule",
        "model & method & hotpot \\\\",
        "\\midrule",
        "a\\_b \\& 50\\% & agent & 25.0 \\\\",
        "c\\#d & agent & \\textbf{75.0}$^{*}$ \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]


def test_csv_of_a_comparison(tmp_path: Path) -> None:
    paths = three_rows(tmp_path)
    summary, found = compare(
        tmp_path, results=paths, groups={"one": paths[2:3], "two": paths[3:4]}, format="csv"
    )
    text = (tmp_path / "out" / "comparison.csv").read_text()
    assert text == summary["table"] + "\n"
    lines = list(csv.DictReader(text.splitlines()))
    (line,) = [
        line
        for line in lines
        if (line["kind"], line["model"], line["suite"], line["metric"]) == ("result", "ramp", "big", "f1")
    ]
    (pair,) = [
        pair for pair in found["pairs"] if pair["source"] == paths[3] and pair["against"] == "baseline"
    ]
    assert (float(line["value"]), int(line["n"]), line["against"], line["source"]) == (
        0.75,
        40,
        "base",
        paths[3],
    )
    assert (float(line["p"]), float(line["p_adjusted"])) == (
        pair["metrics"]["f1"]["p"],
        pair["metrics"]["f1"]["p_adjusted"],
    )
    assert {line["kind"] for line in lines} == {"result", "average", "pooled", "arm", "pair"}
    (average,) = [line for line in lines if line["kind"] == "average" and line["model"] == "ramp"]
    assert (float(average["value"]), average["suite"]) == (0.875, "mean of suites")
    assert found["table"].startswith("Recall (%):")


def test_the_output_must_not_be_the_tables(tmp_path: Path) -> None:
    path = make(tmp_path / "a.json", {"1": 0.0})
    with pytest.raises(
        UsageError, match=r"is the name of both the comparison \(JSON\) and its tables; name it x\.json"
    ):
        run_compare(CompareSettings(results=(path,), format="latex"), tmp_path / "x.tex", tmp_path)
