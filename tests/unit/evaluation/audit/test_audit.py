"""Audits of questions: gold answers in the corpus, searches, closed-book answers, duplicates, rewards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from masksearch.cli.main import main
from masksearch.errors import DataError
from masksearch.evaluation.audit import memory
from masksearch.evaluation.audit.duplicates import duplicates
from masksearch.evaluation.audit.memory import paid_for_memory
from masksearch.evaluation.audit.presence import presence
from masksearch.evaluation.audit.settings import AuditSettings
from masksearch.evaluation.audit.stage import run_audit
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.runtime.files import write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage, Question

TOWNS = [
    ("Ann Lee", "Ann Lee was born in Town1, and wrote a book about bridges."),
    ("Town1", "Town1 lies on the river Flow in the north."),
    ("Town2", "Town2's river is the Brook; it has 1,093 houses."),
    *((f"Rain{number}", "It rains where bridges and rivers and books are.") for number in range(6)),
]
PASSAGES = [
    Passage(id=f"town-{number}", doc_id=f"town-{number}", title=title, text=text)
    for number, (title, text) in enumerate(TOWNS)
]
QUESTIONS: list[dict[str, Any]] = [
    {"id": "direct", "question": "Which river is that of Town2?", "answers": ["Brook"]},
    {
        "id": "bridged",
        "question": "Which stream passes the birthplace of Ann Lee?",
        "answers": ["Flow"],
        "supporting_titles": ["Ann Lee", "Town1"],
        "supporting_passages": ["town-0", "town-1"],
    },
    {
        "id": "absent",
        "question": "Who built Town2?",
        "answers": ["Zoe"],
        "supporting_titles": ["Zoe", "Town2"],
    },
    {"id": "number", "question": "How many houses has Town2?", "answers": ["1"]},
    {"id": "yes", "question": "Is Town2 on the Brook?", "answers": ["yes"], "supporting_titles": ["Town2"]},
]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    build(PASSAGES, tmp_path / "index", IndexSettings())
    return tmp_path / "index"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    write_json_lines(tmp_path / "questions.jsonl", QUESTIONS)
    return tmp_path / "questions.jsonl"


def audited(questions: Path, index: Path, **more: Any) -> dict[str, Any]:
    output = questions.with_name("audit.json")
    settings = AuditSettings(questions=str(questions), index=str(index), **{"k": 2, **more})
    summary = run_audit(settings, output, questions.parent)
    assert summary["table"].startswith("| check")
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return {**found, "rows": {row["id"]: row for row in found["per_question"]}}


def test_golds_are_looked_for_in_the_whole_corpus(questions: Path, index: Path) -> None:
    rows = audited(questions, index)["rows"]
    assert {name: row["present"] for name, row in rows.items()} == {
        "direct": True,
        "bridged": True,
        "absent": False,
        "number": False,  # "1" does not stand in "1,093"
        "yes": None,
    }
    assert {name: row["evidence_present"] for name, row in rows.items()} == {
        "direct": None,
        "bridged": 1.0,
        "absent": 0.5,
        "number": None,
        "yes": 1.0,
    }


def test_answers_are_searched_with_the_questions_words_and_with_the_bridge(
    questions: Path, index: Path
) -> None:
    found = audited(questions, index)
    rows = found["rows"]
    assert (rows["direct"]["retrievable"], rows["direct"]["rank"]) == (True, 1)
    assert (rows["bridged"]["retrievable"], rows["bridged"]["bridged"]) == (False, True)
    assert rows["bridged"]["evidence_retrieved"] == 0.5
    assert (rows["absent"]["retrievable"], rows["absent"]["bridged"]) == (False, False)
    assert (rows["yes"]["retrievable"], rows["yes"]["rank"]) == (True, 1)
    assert found["checks"]["answer within 2 with the bridge"] == {"found": 3, "of": 5}
    assert [row["id"] for row in found["per_question"] if row["keep"]] == ["direct", "bridged", "yes"]
    assert rows["absent"]["misses"] == ["present", "bridged"]


def test_ramp_tasks_need_every_mask(tmp_path: Path, index: Path) -> None:
    def task(identity: str, text: str, *answers: str) -> dict[str, Any]:
        original = text
        for answer in answers:
            original = original.replace("[mask]", answer, 1)
        names = {"id": identity, "doc_id": "town-1", "title": "Town1", "language": "en"}
        return {**names, "text": text, "answers": answers, "masks": len(answers), "original": original}

    rows = [
        task("both", "[mask] lies on the river [mask] in the north.", "Town1", "Flow"),
        task("one", "[mask] lies on the river [mask] in the north.", "Town1", "Zambezi"),
    ]
    write_json_lines(tmp_path / "tasks.jsonl", rows)
    found = audited(tmp_path / "tasks.jsonl", index, keep=("present", "retrievable"))["rows"]
    assert (found["both"]["present"], found["both"]["retrievable"], found["both"]["bridged"]) == (True,) * 3
    assert (found["one"]["present"], found["one"]["retrievable"], found["one"]["keep"]) == (False,) * 3


def test_kept_questions_are_written(questions: Path, index: Path) -> None:
    kept = questions.with_name("kept.jsonl")
    audited(questions, index, kept=str(kept), keep=("retrievable",))
    ids = [json.loads(line)["id"] for line in kept.read_text(encoding="utf-8").splitlines()]
    assert ids == ["direct", "yes"]
    write_json_lines(questions, QUESTIONS[2:3])
    with pytest.raises(DataError, match="No question passes"):
        audited(questions, index, kept=str(kept))
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 2


def test_a_search_that_is_no_folder_is_asked_for_the_golds() -> None:
    class Searcher:
        fingerprint = "x"

        def search(self, queries: Any, k: int) -> Any:
            from masksearch.types import Hit

            return [[Hit(passage=PASSAGES[2], score=1.0)] if "Brook" in query else [] for query in queries]

        async def asearch(self, query: str, k: int) -> Any:
            return self.search([query], k)[0]

    tasks = [Question.model_validate(row) for row in QUESTIONS]
    found = presence(tasks, "http://127.0.0.1:1", Searcher(), 5)
    assert [one.answer for one in found] == [True, False, False, False, None]


def test_what_a_model_knows_without_searching(
    questions: Path, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def script(messages: Any) -> list[str]:
        asked.append(messages[-1]["content"])
        return [f"<answer>{'It is the Brook.' if 'Town2?' in asked[-1] else 'no idea'}</answer>"]

    monkeypatch.setattr(memory, "load_policy", lambda settings: ScriptedPolicy(script))
    more: dict[str, Any] = {"model": "openai:m", "llm": "http://127.0.0.1:1/v1", "keep": ("unknown",)}
    found = audited(questions, index, attempts=2, **more)
    rows = found["rows"]
    assert (rows["direct"]["known"], rows["direct"]["closed_book"]) == (True, ["It is the Brook."] * 2)
    assert rows["bridged"]["known"] is False
    assert found["checks"]["answered closed-book by openai:m"]["found"] == 1
    assert "direct" not in [row["id"] for row in found["per_question"] if row["keep"]]
    before = len(asked)
    audited(questions, index, attempts=2, **more)  # after a kill: finished answers are read again
    assert len(asked) == before


def test_duplicates_of_training_files(tmp_path: Path) -> None:
    long = "Which of the many towns on the river Flow in the north was built before all of the others?"
    training = [
        {"id": "a", "question": "which RIVER is that of Town2", "answers": ["x"]},
        {"id": "b", "question": f"Tell me: {long}", "answers": ["x"], "supporting_titles": ["Town1"]},
    ]
    write_json_lines(tmp_path / "train.jsonl", training)
    task = {"kind": "question", "id": "c", "question": "Who built Town2?", "answers": ["x"]}
    write_json_lines(tmp_path / "trajectories.jsonl", [{"id": "c", "task": task, "turns": []}])
    tasks = [
        Question.model_validate(row)
        for row in (
            *QUESTIONS,
            {"id": "long", "question": long, "answers": ["Town1"]},
            {**QUESTIONS[0], "id": "2"},
        )
    ]
    paths = [str(tmp_path / "train.jsonl"), str(tmp_path / "trajectories.jsonl")]
    found = {task.id: one for task, one in zip(tasks, duplicates(tasks, paths, 13, frozenset()), strict=True)}
    assert found["direct"].reason == f"is a question of {paths[0]}"
    assert found["absent"].reason == f"is a question of {paths[1]}"
    assert found["long"].reason.startswith("shares 13 words with")
    assert (found["bridged"].reason, found["bridged"].article) == ("", "Town1")
    assert (found["number"].reason, found["number"].article, found["2"].repeats) == ("", "", "direct")


def test_the_share_of_a_reward_that_paid_for_memory(tmp_path: Path) -> None:
    def rollout(answers: list[str], earned: list[float], found: list[int], **task: Any) -> dict[str, Any]:
        reward = {"answer": sum(earned) / len(earned), "masks": earned, "found": found}
        return {"id": "r", "task": {"answers": answers, **task}, "reward": reward}

    rows = [
        rollout(["Brook", "Flow"], [1.0], [2]),
        rollout(["Brook"], [1.0], [0]),
        rollout(["A", "B"], [1.0, 1.0], [1, 0], masks=2),
        rollout(["yes"], [1.0], [0]),  # yes stands in any text
        {"id": "left out", "task": {"answers": ["x"]}, "reward": {"answer": None}},
    ]
    write_json_lines(tmp_path / "rollouts.jsonl", rows)
    found = paid_for_memory(str(tmp_path))
    assert found == {"rollouts": 4, "reward": 4.0, "memory": 2.0, "share": 0.5}
    write_json_lines(tmp_path / "other.jsonl", [{"id": "x"}])
    with pytest.raises(DataError, match="holds no rollouts with a reward"):
        paid_for_memory(str(tmp_path / "other.jsonl"))


def test_conditions_need_what_they_measure() -> None:
    for condition, field in (("unknown", "model"), ("unseen", "trained_on")):
        with pytest.raises(ValueError, match=f"'{condition}' needs {field}"):
            AuditSettings.model_validate({"questions": "q", "index": "i", "keep": [condition]})


def test_the_command(questions: Path, index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = questions.with_name("a.json")
    command = ["audit", str(questions), "--index", str(index), "--k", "2", "-o", str(output)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "| answer within 2 with the bridge " in printed.out
    assert "3 of 5 questions pass (present, bridged)" in printed.err
    assert main([*command, "--keep", "unseen"]) == 2
    assert main(command[:-2]) == 0
    assert "| kept " in capsys.readouterr().out
    assert main([*command[:-1], "-"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "masksearch-audit/1"
