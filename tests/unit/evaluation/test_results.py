"""Summaries by hand, and results files that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from masksearch.errors import DataError, FormatError
from masksearch.evaluation.results import is_guessable, load_results, save, summarise
from masksearch.types import Question, Results


def row(key: str, f1: float, **more: Any) -> dict[str, Any]:
    return {"id": key, "prediction": "x", "recall": f1, "precision": f1, "f1": f1, "em": float(f1 == 1), "valid": 1, **more}


def summary(rows: list[dict[str, Any]]) -> Results:
    return summarise(rows, suite="s", method="agent", model="m", retriever="r", settings={}, bootstrap=100, seed=1)


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
    assert (metrics["guessable_share"], metrics["f1_guessable"], metrics["f1_not_guessable"]) == pytest.approx((1 / 3, 1, 0.25))
    assert (metrics["f1_1_mask"], metrics["f1_2_masks"]) == (1, 0.25)
    assert "free_recall" not in metrics


def test_intervals_of_all_measures() -> None:
    found = summary([row("a", 1.0), row("b", 0.0)])
    assert set(found.intervals) == {"recall", "precision", "f1", "em", "valid"}
    assert found.intervals["valid"] == (1.0, 1.0)
    assert found.n == 2
    assert summary([row("a", 1.0, masks=2)]).metrics.keys() == summary([row("a", 1.0)]).metrics.keys()


def test_nothing_to_summarise() -> None:
    with pytest.raises(DataError, match="No question"):
        summary([])
    with pytest.raises(ValueError, match="lacks valid"):
        summary([{key: value for key, value in row("a", 1.0).items() if key != "valid"}])


@pytest.mark.parametrize(
    ("question", "answers", "guessable"),
    [
        ("Are both Russian?", ("yes",), True),
        ("Which was first, Arthur's Magazine or First for Women?", ("Arthur’s", "First for Women"), True),
        ("Which was first, the A or the B?", ("the C",), False),
        ("Who is the king of Spain?", ("The",), False),
        ("Who was older, Smith or Jones?", ("John Smith",), False),
    ],
)
def test_guessable(question: str, answers: tuple[str, ...], guessable: bool) -> None:
    assert is_guessable(Question(id="q", question=question, answers=answers)) is guessable


def test_saved_results_load_again(tmp_path: Path) -> None:
    found = summary([row("a", 1.0), row("b", 0.0)])
    save(found, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == found
    assert load_results(tmp_path) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other/1"}, "is no results file"),
        ({"method": "magic"}, "bad field 'method'"),
        ({"n": 7}, "says n = 7, but holds 2"),
        ({"per_question": [row("a", 1.0), row("a", 1.0)]}, "two with the same"),
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
