"""Results files of earlier versions, whose answers were right from a mean F1 of 50%."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from masksearch.errors import FormatError
from masksearch.evaluation.results import load_results
from masksearch.evaluation.rules import common_rule, rule_of

HALF = {"recall": 0.5, "precision": 0.5, "f1": 0.5, "em": 0.5}


def written(path: Path, rows: list[dict[str, Any]], method: str = "agent", **changed: Any) -> Path:
    """Writes the results file of an earlier version, with the means of its rows."""
    rows = [
        {"prediction": "x", "valid": 1, "failure": "", **row, "id": f"q{n}"} for n, row in enumerate(rows)
    ]
    names = ("recall", "precision", "f1", "em", "valid", "cover_em", "judge_strict")
    known = {name: [row[name] for row in rows if name in row] for name in names}
    content = {
        "format": "masksearch-results/1",
        "suite": "RAMP",
        "method": method,
        "model": "m",
        "retriever": "",
        "n": len(rows),
        "metrics": {name: sum(found) / len(found) for name, found in known.items() if found},
        "intervals": {"f1": [0, 1], "cover_em": [0, 1]},
        "per_question": rows,
        "settings": {"agent": {"answer_form": "spans"}},
        "failures": {},
    }
    path.write_text(json.dumps({**content, **changed}), encoding="utf-8")
    return path


def masked(prediction: str, **scores: Any) -> dict[str, Any]:
    return {
        "prediction": prediction,
        "answers": ["Town One", "Flow"],
        "masks": 2,
        **HALF,
        "cover_em": 0,
        **scores,
    }


def test_one_of_two_masks_is_not_right(tmp_path: Path) -> None:
    half = masked("1. Town One\n2. Nile")
    both = masked("1. Town One\n2. Flow", recall=1.0, precision=1.0, f1=1.0, em=1.0, cover_em=1)
    found = load_results(written(tmp_path / "a.json", [half, both], failures={"right": 2}))
    assert rule_of(found) == "f1"
    assert [row["right"] for row in found.per_question] == [0, 1]
    assert [row["failure"] for row in found.per_question] == ["not_recorded", ""]
    assert found.failures == {"right": 1, "not_recorded": 1}
    assert found.per_question[0]["mask_f1"] == [1.0, 0.0]
    wanted = {"em": 0.75, "em_all": 0.5, "cover_em": 0.75, "cover_em_all": 0.5, "right": 0.5}
    assert {name: found.metrics[name] for name in wanted} == wanted
    assert found.intervals["cover_em"] != (0, 1)  # that of the mean over the masks


def test_masks_that_cannot_be_scored_again_keep_the_earlier_rule(tmp_path: Path) -> None:
    paragraph = masked("Town One lies on the Nile.")
    found = load_results(written(tmp_path / "a.json", [paragraph]))
    assert (rule_of(found), found.metrics["right"]) == ("f1-mean", 1)
    assert "cover_em" not in found.metrics
    assert found.metrics["cover_em_all"] == 0


def test_half_of_a_gold_answer_was_right(tmp_path: Path) -> None:
    found = load_results(written(tmp_path / "a.json", [HALF, {**HALF, "f1": 0.51}], failures={"right": 2}))
    assert [row["failure"] for row in found.per_question] == ["not_recorded", ""]


def test_an_unreadable_verdict_was_replaced_by_f1(tmp_path: Path) -> None:
    rows = [{**HALF, "f1": 1.0, "judge_error": "strict: none"}, {**HALF, "judge_strict": 1}]
    found = load_results(written(tmp_path / "a.json", rows, failures={"right": 2}))
    assert (rule_of(found), found.metrics["right"], found.metrics["n_right"]) == ("judge", 1, 1)
    assert found.failures == {"right": 1, "unjudged": 1}
    plain = load_results(written(tmp_path / "b.json", [HALF]))
    assert common_rule([found, found]) == "judge"
    assert common_rule([found, plain]) == "f1"


def test_an_answer_from_memory_never_failed_to_search(tmp_path: Path) -> None:
    rows = [{**HALF, "f1": 0.0, "failure": "never_searched"}]
    found = load_results(written(tmp_path / "a.json", rows, "closed-book", failures={"never_searched": 1}))
    assert (found.per_question[0]["failure"], found.failures) == ("not_known", {"not_known": 1})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"metrics": {**HALF, "f1": 0.9}},
            "has f1 = 0.9, but the mean of its questions is 0.5; the file was",
        ),
        ({"metrics": {**HALF, "cover_em": 1.0}}, "has the metric 'cover_em', but not every question has it"),
        ({"failures": {"right": 1}}, "counts 1 questions as 'right', but holds 2; the file was changed"),
    ],
)
def test_metrics_that_do_not_follow_from_the_rows_are_refused(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        load_results(written(tmp_path / "a.json", [HALF, HALF], **changed))
