"""Verification of results files: hashes, recorded answers and searches, and the evaluation again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masksearch.cli.main import main
from masksearch.errors import FormatError, ModelError
from masksearch.evaluation import run
from masksearch.evaluation.predictions.settings import ScoreSettings
from masksearch.evaluation.predictions.stage import run_score
from masksearch.evaluation.run import run_eval
from masksearch.evaluation.settings import EvalSettings
from masksearch.evaluation.verify.carried import machine
from masksearch.evaluation.verify.checks import Check, verdict
from masksearch.evaluation.verify.settings import VerifySettings
from masksearch.evaluation.verify.stage import run_verify
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.runtime.files import read_json_lines, write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage

QUESTIONS = [
    {"id": f"q{number}", "question": f"Which river is that of Town{number}?", "answers": [f"Flow{number}"]}
    for number in range(4)
]


def passages(river: str = "Flow") -> list[Passage]:
    return [
        Passage(
            id=f"p{number}",
            doc_id=f"p{number}",
            title=f"Town{number}",
            text=f"Town{number} lies on {river}{number}.",
        )
        for number in range(4)
    ]


def knowing(right: Callable[[int], bool]) -> ScriptedPolicy:
    """A model that searches for the town, and answers right where `right` says so."""

    def script(messages: Any) -> list[str]:
        user = messages[-1]["content"]
        number = next(number for number in range(4) if f"Town{number}?" in user)
        answer = f"<answer>{'Flow' if right(number) else 'Rain'}{number}</answer>"
        return [
            f"<think>look</think>\n<search>Town{number} river</search>",
            f"<think>it is</think>\n{answer}",
        ]

    return ScriptedPolicy(script, "openai:m")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with questions, an index, a checkpoint, and the results of an evaluation with its records."""
    write_json_lines(tmp_path / "questions.jsonl", QUESTIONS)
    build(passages(), tmp_path / "index", IndexSettings())
    answering(monkeypatch, lambda number: number < 3)
    evaluated(tmp_path)
    return tmp_path


def answering(monkeypatch: pytest.MonkeyPatch, right: Callable[[int], bool]) -> None:
    monkeypatch.setattr(run, "load_policy", lambda settings: knowing(right))


def evaluated(folder: Path, **more: Any) -> None:
    settings = EvalSettings(
        questions=str(folder / "questions.jsonl"),
        index=str(folder / "index"),
        bootstrap=100,
        **{"model": "openai:m", "llm": "http://127.0.0.1:1/v1", **more},
    )
    (folder / "results.json.work").mkdir(exist_ok=True)
    run_eval(settings, folder / "results.json", folder / "results.json.work")


def verified(folder: Path, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the summary, and the outcome and detail of each check."""
    work = folder / "verify.work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    settings = VerifySettings(results=str(folder / "results.json"), **more)
    summary = run_verify(settings, folder / "v.json", work)
    found = json.loads((folder / "v.json").read_text(encoding="utf-8"))
    assert found["same_score"] == ("failed" not in summary)
    return summary, {one["check"]: (one["outcome"], one["detail"]) for one in found["checks"]}


def changed(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_an_evaluation_that_can_be_repeated_has_the_same_score(folder: Path) -> None:
    summary, checks = verified(folder)
    assert summary["text"].startswith("same score (F1 75.0, EM 75.0, n = 4, each asked again)")
    assert {name: outcome for name, (outcome, _) in checks.items() if outcome != "same"} == {
        "checkpoint": "left out"
    }
    assert checks["recorded searches"][1] == "4 searches made again"
    assert checks["prompts of the trajectories"][1] == "4 prompts rendered again"
    assert checks["answers of the replay"] == ("same", "4 answers")


def test_a_replay_with_other_answers_names_the_questions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, lambda number: number < 2)
    summary, checks = verified(folder)
    assert "f1 75.0 -> 50.0" in summary["failed"]
    assert checks["score of the replay"] == (
        "differs",
        "recall 75.0 -> 50.0, precision 75.0 -> 50.0, f1 75.0 -> 50.0, em 75.0 -> 50.0; "
        "other scores in questions: 1, such as 'q2'",
    )
    assert checks["score of the recorded answers"][0] == "same"


def test_other_answers_with_the_same_score_are_noted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, lambda number: number > 0)
    summary, checks = verified(folder)
    assert summary["text"].startswith("same score")
    assert checks["answers of the replay"] == ("note", "other answers in questions: 2, such as 'q0', 'q3'")


def test_the_records_alone(folder: Path) -> None:
    summary, checks = verified(folder, replay=False)
    assert summary["text"] == (
        "same score from the recorded answers (F1 75.0, EM 75.0, n = 4); the model was not asked again: "
        "not wanted (--no-replay)"
    )
    assert checks["recorded searches"][0] == "same"


def test_another_index_is_a_difference_and_is_not_replayed(folder: Path) -> None:
    build(passages("Brook"), folder / "other", IndexSettings())
    summary, checks = verified(folder, index=str(folder / "other"))
    assert checks["search"][0] == "differs"
    assert (checks["recorded searches"][0], checks["score of the replay"][0]) == ("left out", "left out")
    assert "differs: search (bm25-" in summary["failed"]


def test_searches_with_other_results_are_named(folder: Path) -> None:
    path = folder / "results.json.work" / "trajectories.jsonl"
    rows = [value for _, value in read_json_lines(path)]
    rows[1]["turns"][1]["text"] = rows[1]["turns"][1]["text"].replace("Town1 lies", "Town1 lay")
    write_json_lines(path, rows)
    summary, checks = verified(folder, replay=False)
    assert checks["recorded searches"] == ("differs", "other results in questions: 1, such as 'q1'")
    assert checks["trajectories"][0] == "differs"
    assert "recorded searches" in summary["failed"]


def test_an_answer_or_a_prompt_that_was_changed_afterwards(folder: Path) -> None:
    path = folder / "results.json.work" / "trajectories.jsonl"
    rows = [value for _, value in read_json_lines(path)]
    rows[3]["answer"] = "Flow3"
    rows[0]["prompt_hash"] = "0" * 16
    write_json_lines(path, rows)
    _, checks = verified(folder, replay=False)
    assert checks["score of the recorded answers"][0] == "differs"
    assert "f1 75.0 -> 100.0" in checks["score of the recorded answers"][1]
    assert checks["prompts of the trajectories"] == ("differs", "other prompts in questions: 1, such as 'q0'")


def test_other_prompt_files_with_the_same_prompts_are_noted(folder: Path) -> None:
    def other(value: Any) -> None:
        value["provenance"]["prompt_hash"] = "0" * 64

    changed(folder / "results.json", other)
    summary, checks = verified(folder)
    assert checks["prompts"][0] == "note"
    assert summary["text"].startswith("same score (F1 75.0")


def test_metrics_that_do_not_follow_from_the_rows_are_refused(folder: Path) -> None:
    def better(value: Any) -> None:
        value["metrics"]["f1"] = 0.9

    changed(folder / "results.json", better)
    with pytest.raises(FormatError, match=r"f1 = 0\.9"):
        verified(folder)


def test_other_questions_are_a_difference(folder: Path) -> None:
    other = [{**row, "answers": ["Rain"]} for row in QUESTIONS]
    write_json_lines(folder / "questions.jsonl", other)
    _, checks = verified(folder)
    assert checks["questions"][0] == "differs"
    assert checks["questions of the trajectories"][0] == "differs"
    write_json_lines(folder / "questions.jsonl", QUESTIONS[:2])
    assert verified(folder)[1]["questions"] == ("differs", "4 then, 2 now, or other ids")


def test_a_file_of_an_earlier_version_says_what_it_lacks(folder: Path) -> None:
    def earlier(value: Any) -> None:
        for name in ("trajectories_hash", "machine", "prompt_hash"):
            del value["provenance"][name]

    changed(folder / "results.json", earlier)
    _, checks = verified(folder, replay=False)
    assert {name for name, (outcome, _) in checks.items() if outcome == "lacks"} == {
        "trajectories",
        "machine",
        "prompts",
    }
    (folder / "results.json.work" / "trajectories.jsonl").unlink()
    summary, checks = verified(folder, replay=False)
    assert "is not verified, because of" in summary["failed"]
    assert "there is no trajectories.jsonl next to the results" in checks["trajectories"][1]


def test_a_checkpoint_is_compared_by_its_hash(folder: Path) -> None:
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    evaluated(folder, model=str(model), dtype="float32")
    assert verified(folder)[1]["checkpoint"][0] == "same"
    (model / "config.json").write_text('{"x": 1}')
    summary, checks = verified(folder)
    assert checks["checkpoint"][0] == "differs"
    assert checks["score of the replay"][0] == "left out"
    assert "checkpoint" in summary["failed"]
    shutil.rmtree(model)
    _, checks = verified(folder)
    assert checks["checkpoint"] == ("left out", f"there is no folder {model}; see --model")


def test_a_record_of_the_searches_answers_in_place_of_the_index(folder: Path) -> None:
    evaluated(folder, search={"record": str(folder / "searches.jsonl")})
    shutil.rmtree(folder / "index")
    assert verified(folder)[1]["search"][0] == "left out"
    summary, checks = verified(folder, searches=str(folder / "searches.jsonl"))
    assert checks["recorded searches"] == ("same", "4 searches made again")
    assert summary["text"].startswith("same score (F1 75.0")


@pytest.mark.parametrize("method", ["closed-book", "rag", "agent-prompted"])
def test_every_method_can_be_verified(folder: Path, method: str) -> None:
    evaluated(folder, method=method)
    summary, checks = verified(folder)
    assert summary["text"].startswith("same score (")
    assert checks["prompts of the trajectories"][0] == "same"
    assert ("recorded searches" in checks) == (method != "closed-book")


def test_predictions_of_another_system_are_scored_again(folder: Path) -> None:
    predictions = folder / "theirs.jsonl"
    write_json_lines(
        predictions, [{"id": f"q{number}", "prediction": f"Flow{number}"} for number in range(3)]
    )
    settings = ScoreSettings(
        predictions=str(predictions), questions=str(folder / "questions.jsonl"), bootstrap=100
    )
    run_score(settings, folder / "results.json", folder)
    summary, _ = verified(folder)
    assert summary["text"] == (
        "same score from the recorded answers (F1 75.0, EM 75.0, n = 4); the predictions were scored again"
    )
    write_json_lines(
        predictions, [{"id": f"q{number}", "prediction": f"Flow{number}"} for number in range(2)]
    )
    summary, checks = verified(folder)
    assert checks["predictions"][0] == "differs"
    assert "f1 75.0 -> 50.0" in summary["failed"]


def test_an_interrupted_replay_asks_only_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    broken = True

    def right(number: int) -> bool:
        asked.append(number)
        if broken and number == 2:
            raise ModelError("The endpoint is gone.")
        return number < 3

    answering(monkeypatch, right)
    results = folder / "results.json"
    assert main(["verify", str(results)]) == 1
    assert "--no-replay checks the records alone" in capsys.readouterr().err
    assert sorted(asked) == [0, 1, 2, 3]
    asked.clear()
    broken = False
    assert main(["verify", str(results)]) == 0
    assert asked == [2]
    assert "same score (F1 75.0" in capsys.readouterr().err


def test_other_conditions_may_explain_a_difference() -> None:
    checks = [Check("versions", "note", "x"), Check("score of the replay", "differs", "f1 1.0 -> 2.0")]
    assert verdict(checks).text == (
        "differs: score of the replay (f1 1.0 -> 2.0); other versions may explain it"
    )
    assert {"processor", "system"} <= machine().keys()


def test_the_command_ends_in_its_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = folder / "results.json"
    assert main(["verify", str(results), "--no-replay"]) == 0
    printed = capsys.readouterr()
    assert "| recorded searches" in printed.out
    assert f"{folder / 'results.verify.json'}: same score from the recorded answers" in printed.err
    answering(monkeypatch, lambda number: False)
    assert main(["verify", str(results)]) == 1
    assert "differs: score of the replay" in capsys.readouterr().err
