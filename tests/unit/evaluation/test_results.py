"""Summaries checked against hand-computed values, and invalid results files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from masksearch.errors import DataError, FormatError
from masksearch.evaluation.results import load_results, save, summarise
from masksearch.evaluation.rows import answer_kind
from masksearch.types import Question, Results


def row(key: str, f1: float, **more: Any) -> dict[str, Any]:
    return {
        "id": key,
        "prediction": "x",
        "recall": f1,
        "precision": f1,
        "f1": f1,
        "em": float(f1 == 1),
        "valid": 1,
        **more,
    }


def summary(rows: list[dict[str, Any]]) -> Results:
    return summarise(
        rows, suite="s", method="agent", model="m", retriever="r", settings={}, bootstrap=100, seed=1
    )


def test_means_splits_and_tokens() -> None:
    rows = [
        row("a", 1.0, guessable=1, searches=2, model_tokens=10, tool_tokens=30, prompt_tokens=5, masks=1),
        row("b", 0.5, guessable=0, searches=1, model_tokens=20, tool_tokens=30, prompt_tokens=5, masks=2),
        row("c", 0.0, guessable=0, searches=0, model_tokens=30, tool_tokens=0, prompt_tokens=5, masks=2),
    ]
    metrics = summary(rows).metrics
    assert metrics["f1"] == metrics["recall"] == pytest.approx(0.5)
    assert metrics["em"] == pytest.approx(1 / 3)
    assert metrics["valid"] == 1
    assert (metrics["searches"], metrics["model_tokens"], metrics["total_tokens"]) == (1, 20, 45)
    assert (
        metrics["guessable_share"],
        metrics["f1_guessable"],
        metrics["f1_not_guessable"],
    ) == pytest.approx((1 / 3, 1, 0.25))
    assert (metrics["f1_1_mask"], metrics["f1_2_masks"]) == (1, 0.25)
    assert "free_recall" not in metrics


def test_intervals_of_all_measures() -> None:
    found = summary([row("a", 1.0), row("b", 0.0)])
    assert set(found.intervals) == {"recall", "precision", "f1", "em", "valid"}
    assert found.intervals["valid"] == pytest.approx((0.3424, 1.0), abs=1e-4)  # Wilson: 2 of 2
    assert found.n == 2
    assert summary([row("a", 1.0, masks=2)]).metrics.keys() == summary([row("a", 1.0)]).metrics.keys()


def test_nothing_to_summarise() -> None:
    with pytest.raises(DataError, match="No question"):
        summary([])
    with pytest.raises(ValueError, match="lacks valid"):
        summary([{key: value for key, value in row("a", 1.0).items() if key != "valid"}])


@pytest.mark.parametrize(
    ("question", "answers", "kind"),
    [
        ("Are both Russian?", ("yes",), "yes_no"),
        ("Are both Russian, no?", ("no", "neither"), "yes_no"),
        (
            "Which was first, Arthur's Magazine or First for Women?",
            ("Arthur’s", "First for Women"),
            "in_question",
        ),
        ("Which was first, the A or the B?", ("the C",), "open"),
        ("Who is the king of Spain?", ("The",), "open"),
        ("Who was older, Smith or Jones?", ("John Smith",), "open"),
    ],
)
def test_answer_kind(question: str, answers: tuple[str, ...], kind: str) -> None:
    assert answer_kind(Question(id="q", question=question, answers=answers)) == kind


def test_parts_and_shares() -> None:
    rows = [
        row(
            "a",
            1.0,
            answer_kind="yes_no",
            said_yes_no=1,
            evidence=1,
            evidence_recall=1.0,
            failure="",
            judge_strict=1,
            judge_relaxed=1,
            seconds=2.0,
        ),
        row(
            "b",
            0.0,
            answer_kind="open",
            said_yes_no=1,
            evidence=0,
            evidence_recall=0.5,
            failure="not_retrieved",
            judge_strict=0,
            judge_relaxed=1,
            seconds=4.0,
        ),
        row(
            "c",
            0.5,
            answer_kind="open",
            said_yes_no=0,
            failure="",
            judge_error="strict: no verdict",
            seconds=0.0,
            false_premise=1,
        ),
        row(
            "d",
            0.5,
            answer_kind="in_question",
            said_yes_no=0,
            evidence=1,
            evidence_recall=1.0,
            failure="not_used",
            judge_strict=0,
            judge_relaxed=0,
            seconds=2.0,
        ),
    ]
    found = summary(rows)
    expected = {
        "f1_yes_no": 1.0,
        "f1_open": 0.25,
        "f1_in_question": 0.5,
        "f1_given_evidence": 0.75,
        "n_given_evidence": 2.0,
        "f1_false_premise": 0.5,
    }
    expected |= {"yes_no_share": 0.5, "yes_no_gold_share": 0.25, "judge_errors": 1.0, "seconds": 2.0}
    expected |= {
        "evidence_recall": pytest.approx(2.5 / 3),
        "evidence": pytest.approx(2 / 3),
        "n_evidence": 3.0,
    }
    expected |= {
        "judge_strict": pytest.approx(1 / 3),
        "judge_relaxed": pytest.approx(2 / 3),
        "n_judge_strict": 3.0,
    }
    assert {name: found.metrics.get(name) for name in expected} == expected
    assert {
        "judge_strict",
        "evidence_recall",
        "f1_given_evidence",
        "em_open",
        "f1_yes_no",
    } <= found.intervals.keys()
    assert found.failures == {"right": 2, "not_retrieved": 1, "not_used": 1}


def test_another_format_version_is_named(tmp_path: Path) -> None:
    found = summary([row("a", 1.0)]).to_json()
    (tmp_path / "r.json").write_text(json.dumps({**found, "format": "masksearch-results/2"}))
    with pytest.raises(
        FormatError,
        match=r"has the format 'masksearch-results/2', but this version reads 'masksearch-results/1'; "
        "evaluate again",
    ):
        load_results(tmp_path / "r.json")


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinities_are_rejected(tmp_path: Path, written: str) -> None:
    (tmp_path / "r.json").write_text(
        json.dumps(summary([row("a", 1.0)]).to_json()).replace('"f1": 1.0', f'"f1": {written}')
    )
    with pytest.raises(
        FormatError, match=rf"r\.json is not valid JSON \(it holds {written}, which is not a number\)"
    ):
        load_results(tmp_path / "r.json")


def test_saved_results_load_again(tmp_path: Path) -> None:
    found = summary([row("a", 1.0, right=1), row("b", 0.0, right=0)])
    save(found, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == found
    assert load_results(tmp_path) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other/1"}, "is not a results file"),
        ({"method": "magic"}, "bad field 'method'"),
        ({"n": 7}, "has n = 7, but holds 2"),
        ({"per_question": [row("a", 1.0), row("a", 1.0)]}, "two with the same id"),
        ({"per_question": [row("a", 1.0), {"id": "b"}]}, "question 'b' lacks the field 'recall'"),
        ({"metrics": {}}, "lacks the metric 'recall'"),
    ],
)
def test_bad_results_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**summary([row("a", 1.0), row("b", 0.0)]).to_json(), **change}))
    with pytest.raises(FormatError, match=message):
        load_results(path)


def test_files_that_are_no_json(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with pytest.raises(DataError, match="There is no file"):
        load_results(path)
    path.write_text('{"format": ')
    with pytest.raises(FormatError, match="not valid JSON"):
        load_results(path)
    path.write_bytes(b'{"format": "\xff"}')
    with pytest.raises(DataError, match="not UTF-8"):
        load_results(path)
