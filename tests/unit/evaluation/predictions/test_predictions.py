"""Predictions of other systems: layouts of their files, answers in texts, ids, and the results file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from masksearch.cli.main import main
from masksearch.errors import DataError, FormatError, MaskSearchError, UsageError
from masksearch.evaluation.predictions.answers import answer_of
from masksearch.evaluation.predictions.layouts import read_predictions
from masksearch.evaluation.predictions.settings import ScoreSettings
from masksearch.evaluation.predictions.stage import run_score
from masksearch.evaluation.results import load_results
from masksearch.runtime.files import write_json_lines
from masksearch.types import MaskedTask

QUESTIONS = [
    {"id": "1", "question": "In which city is the Eiffel Tower?", "answers": ["Paris"]},
    {"id": "2", "question": "Who painted the Mona Lisa?", "answers": ["Leonardo da Vinci", "Leonardo"]},
    {"id": "3", "question": "Is Rome in Italy?", "answers": ["yes"]},
]
PROMPT = "Answer the question in <answer> and </answer>. Question: {}\n"
ROLLOUT = "<think>a <answer> Rome </answer></think><search>x</search><answer> {} </answer>"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    write_json_lines(tmp_path / "questions.jsonl", QUESTIONS)
    return tmp_path / "questions.jsonl"


def written(path: Path, rows: Any) -> Path:
    """Writes rows as JSON Lines, or as one JSON value where the file is called .json."""
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    else:
        write_json_lines(path, rows)
    return path


def scored(predictions: Path, questions: Path, **more: Any) -> Any:
    output = predictions.with_name("results.json")
    settings = ScoreSettings(predictions=str(predictions), questions=str(questions), bootstrap=100, **more)
    run_score(settings, output, predictions.parent)
    return load_results(output)


def answers(results: Any) -> dict[str, str]:
    return {row["id"]: row["prediction"] for row in results.per_question}


def test_predictions_are_scored_by_the_metrics_of_eval(tmp_path: Path, questions: Path) -> None:
    rows = [
        {"id": 1, "prediction": "Paris"},
        {"id": 2, "prediction": "Leonardo the painter"},
        {"id": 3, "prediction": "no"},
    ]
    results = scored(written(tmp_path / "theirs.jsonl", rows), questions)
    assert [row["em"] for row in results.per_question] == [1.0, 0.0, 0.0]
    assert [row["f1"] for row in results.per_question] == [1.0, pytest.approx(2 / 3), 0.0]
    assert (results.method, results.model, results.suite, results.n) == ("external", "theirs", "questions", 3)
    assert not {"searches", "seconds", "status", "failure"} & set(results.per_question[0])
    assert results.provenance["predictions"]["by"] == "id"


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("object.json", {"1": "Paris", "2": "Leonardo", "3": "yes"}),
        ("hotpot.json", {"answer": {"1": "Paris", "2": "Leonardo", "3": "yes"}, "sp": {"1": []}}),
        (
            "intermediate_data.json",
            [
                {
                    "id": row["id"],
                    "question": row["question"],
                    "golden_answers": row["answers"],
                    "output": {"pred": answer, "retrieval_result": [], "metric_score": {"em": 1.0}},
                }
                for row, answer in zip(QUESTIONS, ["Paris", "Leonardo", "yes"], strict=True)
            ],
        ),
        (
            "validation.jsonl",
            [
                {"input": PROMPT.format(row["question"]), "output": ROLLOUT.format(answer), "score": 1.0}
                for row, answer in zip(QUESTIONS, ["Paris", "Leonardo", "yes"], strict=True)
            ],
        ),
        (
            "log.json",
            {
                "version": 2,
                "status": "success",
                "eval": {"model": "openai/gpt-x"},
                "samples": [
                    {
                        "id": 1,
                        "epoch": 1,
                        "input": "?",
                        "scores": {"match": {"value": "C", "answer": "Paris"}},
                    },
                    {"id": 2, "epoch": 1, "input": "?", "output": {"completion": "Leonardo"}},
                    {
                        "id": 3,
                        "epoch": 1,
                        "input": "?",
                        "output": {"choices": [{"message": {"content": [{"type": "text", "text": "yes"}]}}]},
                    },
                ],
            },
        ),
    ],
)
def test_files_of_other_systems_are_recognised(tmp_path: Path, questions: Path, name: str, rows: Any) -> None:
    results = scored(written(tmp_path / name, rows), questions)
    assert answers(results) == {"1": "Paris", "2": "Leonardo", "3": "yes"}
    assert results.metrics["em"] == 1.0


def test_searchr1_parquet_of_generations(tmp_path: Path, questions: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    rows = [
        {
            "question": row["question"],
            "prompt": [{"role": "user", "content": PROMPT.format(row["question"])}],
            "responses": [ROLLOUT.format(row["answers"][0]) if row["id"] != "3" else "<think>never ends"],
        }
        for row in QUESTIONS
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "out.parquet")
    results = scored(tmp_path / "out.parquet", questions)
    assert answers(results) == {"1": "Paris", "2": "Leonardo da Vinci", "3": ""}
    assert (
        results.provenance["predictions"] | {"by": "question", "empty": 1, "layout": "search-r1"}
        == (results.provenance["predictions"])
    )


def test_searchr1_ids_are_those_of_its_questions(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    rows = [
        {
            "id": "test_0",
            "question": "who?",
            "golden_answers": ["Ann"],
            "data_source": source,
            "reward_model": {"ground_truth": {"target": ["Ann"]}},
            "responses": [f"<answer>{answer}</answer>"],
        }
        for source, answer in (("nq", "Ann"), ("popqa", "Bo"))
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "out.parquet")
    results = scored(tmp_path / "out.parquet", tmp_path / "out.parquet")
    assert answers(results) == {"nq-test_0": "Ann", "popqa-test_0": "Bo"}
    assert results.metrics["em"] == 0.5


def test_an_inspect_archive_is_read_with_its_package(tmp_path: Path, questions: Path) -> None:
    log = pytest.importorskip("inspect_ai.log")
    value: dict[str, Any] = {
        "eval": {
            "created": "2026-01-01T00:00:00+00:00",
            "task": "t",
            "dataset": {},
            "model": "mock/m",
            "config": {},
        },
        "status": "success",
        "samples": [
            {"id": row["id"], "epoch": 1, "input": row["question"], "target": "x", "output": {"model": "m"}}
            for row in QUESTIONS
        ],
    }
    value["samples"][0]["scores"] = {"s": {"value": 1.0, "answer": "Paris"}}
    log.write_eval_log(log.EvalLog.model_validate(value), str(tmp_path / "a.eval"))
    results = scored(tmp_path / "a.eval", questions)
    assert answers(results)["1"] == "Paris"
    assert results.model == "mock/m"


@pytest.mark.parametrize(
    ("text", "part", "rollout", "answer"),
    [
        (" Paris ", "auto", False, "Paris"),
        ("<answer>Rome</answer> then <answer> Paris</answer>", "auto", False, "Paris"),
        ("no tags", "auto", True, ""),
        ("no tags", "tags", False, ""),
        ("<answer>Rome</answer>", "whole", False, "<answer>Rome</answer>"),
        (r"so \boxed{\text{Paris}} and \boxed{ {a} b }", "boxed", False, "{a} b"),
        (r"torn \boxed{Paris", "boxed", False, ""),
    ],
)
def test_answers_in_texts(text: str, part: Any, rollout: bool, answer: str) -> None:
    assert answer_of(text, part, rollout) == answer


def test_missing_and_unknown_predictions_are_counted_and_told(
    tmp_path: Path, questions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": "1", "prediction": "Paris"},
        {"id": "7", "prediction": "x"},
        {"id": "2", "prediction": None},
    ]
    file = written(tmp_path / "p.jsonl", rows)
    results = scored(file, questions)
    told = capsys.readouterr().err
    assert "without a prediction, counted as wrong: 1 ('3')" in told
    assert "belong to no question, ignored: 1 ('7')" in told
    assert "hold no answer, counted as wrong: 1" in told
    assert (results.n, results.metrics["em"]) == (3, pytest.approx(1 / 3))
    left = scored(file, questions, missing="leave-out")
    assert (left.n, left.metrics["em"]) == (2, 0.5)
    with pytest.raises(UsageError, match="no prediction for 1 of the 3 questions, such as '3'"):
        scored(file, questions, missing="refuse")


def test_ids_that_do_not_match_are_an_error_with_both_sides(tmp_path: Path, questions: Path) -> None:
    file = written(tmp_path / "p.jsonl", [{"id": "dev-1", "prediction": "Paris"}])
    with pytest.raises(DataError, match="their ids are 'dev-1', those of the questions '1', '2', '3'"):
        scored(file, questions)


def test_unknown_ids_are_matched_by_the_questions_text(tmp_path: Path, questions: Path) -> None:
    rows = [{"id": "dev-1", "question": "in which city is  the eiffel tower", "prediction": "Paris"}]
    results = scored(written(tmp_path / "p.jsonl", rows), questions)
    assert results.provenance["predictions"]["by"] == "question"
    assert results.per_question[0]["em"] == 1.0


def test_repeated_predictions(tmp_path: Path, questions: Path) -> None:
    rows = [{"id": "1", "prediction": text} for text in ("Paris", "Paris", "Rome")]
    file = written(tmp_path / "p.jsonl", rows)
    with pytest.raises(FormatError, match=r"line 3 is another prediction for the question .1. than .*line 1"):
        scored(file, questions)
    assert answers(scored(file, questions, repeated="first"))["1"] == "Paris"
    assert answers(scored(file, questions, repeated="last"))["1"] == "Rome"
    same = written(tmp_path / "same.jsonl", rows[:2])
    assert scored(same, questions).provenance["predictions"]["repeated"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"id": "1", "prediction": ["Paris"]},
            "line 1 has a prediction for the question '1' that is not text",
        ),
        ({"id": "1", "prediction": True}, "but a bool"),
        ({"id": "1", "guess": "Paris"}, "line 1 has no prediction"),
        ({"prediction": "Paris"}, "names no question"),
        ({"id": 1.5, "prediction": "Paris"}, "neither text nor a whole number"),
    ],
)
def test_faulty_predictions_are_named(tmp_path: Path, questions: Path, row: Any, message: str) -> None:
    with pytest.raises(MaskSearchError, match=message):
        scored(written(tmp_path / "p.jsonl", [row, row]), questions)


def test_fields_of_another_name_and_numbers(tmp_path: Path, questions: Path) -> None:
    file = written(
        tmp_path / "p.jsonl", [{"key": 1, "out": {"text": "Paris"}}, {"key": 2, "out": {"text": 7}}]
    )
    found = scored(file, questions, fields=("id=key", "prediction=out.text"))
    assert answers(found) == {"1": "Paris", "2": "7", "3": ""}
    with pytest.raises(ValueError, match="write id=NAME, prediction=NAME or question=NAME"):
        ScoreSettings(predictions="p", questions="q", fields=("answer=x",))


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text("\n")
    with pytest.raises(DataError, match="holds no predictions"):
        read_predictions(str(tmp_path / "p.jsonl"))


def test_fills_of_masks_may_be_a_list(tmp_path: Path) -> None:
    task = MaskedTask(
        id="t",
        doc_id="d",
        title="T",
        text="[mask] is in [mask].",
        answers=("Paris", "France"),
        masks=2,
        original="Paris is in France.",
    )
    write_json_lines(tmp_path / "tasks.jsonl", [task.to_json()])
    file = written(tmp_path / "p.jsonl", [{"id": "t", "prediction": ["Paris", "Spain"]}])
    results = scored(file, tmp_path / "tasks.jsonl")
    assert results.metrics["em"] == 0.5


def test_the_command_writes_what_compare_takes(
    tmp_path: Path, questions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(
        tmp_path / "p.jsonl", [{"id": row["id"], "prediction": row["answers"][0]} for row in QUESTIONS]
    )
    output = tmp_path / "r.json"
    command = [
        "score",
        str(file),
        str(questions),
        "--label",
        "Other",
        "--set",
        "bootstrap=100",
        "-o",
        str(output),
    ]
    assert main(command) == 0
    assert main(["compare", str(output)]) == 0
    assert "Other" in capsys.readouterr().out
    assert main([*command[:1], "absent.jsonl", *command[2:]]) == 2
    assert "PREDICTIONS: there is no file or folder absent.jsonl" in capsys.readouterr().err
