"""Suites of the open domain and of browsing, and the layouts that any suite may have."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from kit import suites_samples as samples

from masksearch.errors import DataError, FormatError
from masksearch.evaluation.suites import load_questions
from masksearch.evaluation.suites.browsing import decrypt
from masksearch.evaluation.suites.registry import registered
from masksearch.types import Question


def lines(path: Path, rows: Any) -> str:
    path.parent.mkdir(exist_ok=True)
    return str(samples.write_lines(path, rows))


def sheet(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return str(samples.write(path, stream.getvalue()))


def test_nq_open_is_known_by_the_files_name(tmp_path: Path) -> None:
    name, questions = load_questions(lines(tmp_path / "NQ-open.dev.jsonl", samples.NQ))
    assert name == "nq-open"
    assert [(one.id, one.answers) for one in questions] == [
        ("nq-00000", ("Ann Lee", "Lee")),
        ("nq-00001", ("1889",)),
    ]
    path = lines(tmp_path / "a.jsonl", samples.NQ)
    assert load_questions(path)[0] == "a"
    assert load_questions(path, "nq")[0] == "nq-open"


def test_triviaqa_on_the_hub_and_official(tmp_path: Path) -> None:
    name, questions = load_questions(lines(tmp_path / "a.jsonl", samples.TRIVIA))
    assert (name, questions[0].id, questions[0].answers) == ("triviaqa", "tc_1", ("Paris", "City of Light"))
    assert questions[0].supporting_titles == ("Eiffel Tower",)
    for indent in (None, 1):
        text = json.dumps(samples.TRIVIA_OFFICIAL, indent=indent)
        name, (one,) = load_questions(samples.write(tmp_path / "b.json", text))
        assert (name, one.id, one.answers) == ("triviaqa", "tc_1", ("Paris", "paris, France"))
        assert one.supporting_titles == ("Eiffel Tower",)


def test_popqa(tmp_path: Path) -> None:
    for path in (
        lines(tmp_path / "a.jsonl", samples.POPQA),
        sheet(tmp_path / "popQA.tsv", samples.POPQA, "\t"),
    ):
        name, questions = load_questions(path)
        assert (name, questions[0].id, questions[0].type) == ("popqa", "4222362", "occupation")
        assert questions[0].answers == ("politician", "political leader")
        assert questions[0].supporting_titles == ("Ann Lee",)


def test_simpleqa_and_its_verified_form(tmp_path: Path) -> None:
    name, (one, broken) = load_questions(sheet(tmp_path / "a.csv", samples.SIMPLEQA))
    assert (name, one.id, one.type, one.supporting_titles) == (
        "simpleqa",
        "simpleqa-0000",
        "Person",
        ("Ann Lee",),
    )
    assert (broken.answers, broken.type) == (("Bo Lee",), "")
    verified = {
        "original_index": 5,
        "problem": "Who?",
        "answer": "Ann Lee",
        "topic": "Art",
        "answer_type": "Person",
        "urls": "https://en.wikipedia.org/wiki/Ann_Lee,https://example.org",
    }
    name, (one,) = load_questions(lines(tmp_path / "b.jsonl", [verified]))
    assert (name, one.id, one.type, one.supporting_titles) == (
        "simpleqa",
        "simpleqa-0005",
        "Person",
        ("Ann Lee",),
    )


def test_browsecomp_is_decrypted(tmp_path: Path) -> None:
    # Computed by hand: the first bytes of the SHA-256 of "abc" are ba 78 16.
    assert decrypt("2hh2", "abc") == "``\x60"
    name, (one, other) = load_questions(sheet(tmp_path / "a.csv", samples.BROWSECOMP))
    assert (name, one.id, one.type) == ("browsecomp", "browsecomp-0000", "Art")
    assert one.question == "Who is it whose whole name has many more letters than thirty-two, é?"
    assert (other.question, other.answers) == ("What?", ("42",))
    row = {**samples.BROWSECOMP[0], "canary": "another"}
    with pytest.raises(FormatError, match=r"line 2 has a field 'problem' that its canary does not decrypt"):
        load_questions(lines(tmp_path / "b.jsonl", [samples.BROWSECOMP[1], row]))


def test_gaia_without_attachments_and_hidden_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attached = {**samples.GAIA[0], "task_id": "x", "file_name": "x.xlsx"}
    hidden = {**samples.GAIA[0], "task_id": "y", "Final answer": "?"}
    name, questions = load_questions(lines(tmp_path / "metadata.jsonl", [*samples.GAIA, attached, hidden]))
    assert (name, [one.id for one in questions]) == ("gaia", ["c61d22de-0", "c61d22de-1"])
    assert (questions[0].answers, questions[0].type) == (("3",), "level 1")
    told = capsys.readouterr().err
    assert "left out 1 question with an attached file" in told
    assert "left out 1 question of GAIA's test set" in told


def test_flashrag_files_are_named_after_their_folder(tmp_path: Path) -> None:
    rows = [
        {"id": "test_0", "question": "who?", "golden_answers": ["Ann", "Lee"]},
        {
            "id": "test_1",
            "question": "who?",
            "golden_answers": ["Bo"],
            "metadata": {
                "type": "bridge",
                "supporting_facts": {"title": ["A", "B", "A"], "sent_id": [0, 1, 2]},
            },
        },
    ]
    for folder, known in (("nq", "nq-open"), ("2wikimultihopqa", "2wikimultihopqa"), ("web_questions",) * 2):
        name, questions = load_questions(lines(tmp_path / folder / "test.jsonl", rows))
        assert (name, questions[0].answers) == (known, ("Ann", "Lee"))
        assert (questions[1].supporting_titles, questions[1].type) == (("A", "B"), "bridge")
    assert load_questions(lines(tmp_path / "mine.jsonl", rows))[0] == "mine"
    assert load_questions(lines(tmp_path / "mine.jsonl", rows), "musique")[0] == "musique"


def test_searchr1_parquet_with_several_sources(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def row(source: str, index: int, **more: Any) -> dict[str, Any]:
        return {
            "data_source": source,
            "prompt": [{"role": "user", "content": f"Use <answer>. Question: who is {source}?\n"}],
            "ability": "fact-reasoning",
            "reward_model": {"style": "rule", "ground_truth": {"target": ["Ann", source]}},
            "extra_info": {"split": "test", "index": index},
            **more,
        }

    full = [
        row(source, 0, id="test_0", question="who?", golden_answers=["Ann"]) for source in ("nq", "popqa")
    ]
    bare = [row("searchR1_nq", 3), row("searchR1_popqa", 3)]
    for rows, ids, asked in (
        (full, ["nq-test_0", "popqa-test_0"], "who?"),
        (bare, ["nq-test_3", "popqa-test_3"], "who is searchR1_nq?"),
    ):
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "merged.parquet")
        name, questions = load_questions(str(tmp_path / "merged.parquet"))
        assert (name, [one.id for one in questions], questions[0].question) == ("merged", ids, asked)
        assert questions[0].answers[0] == "Ann"


@pytest.mark.parametrize(
    ("row", "identity", "answers"),
    [
        ({"question": "who?", "answer": "Ann"}, "row-00000", ("Ann",)),
        ({"id": 7, "question": "who?", "answer": ["Ann", "Lee", "Ann"]}, "7", ("Ann", "Lee")),
        ({"question": "how many?", "answer": 7}, "row-00000", ("7",)),
        ({"question": "is it?", "answer": True}, "row-00000", ("yes",)),
        ({"id": 7, "question": "who?", "answers": ["Ann"]}, "7", ("Ann",)),
        ({"id": 7, "question": "who?", "answers": "Ann"}, "7", ("Ann",)),
        ({"qid": "q", "question": "who?", "answers": {"text": ["Ann"], "answer_start": [3]}}, "q", ("Ann",)),
        ({"Prompt": "who?", "Answer": "Ann"}, "row-00000", ("Ann",)),
        ({"question": "who?", "answer": "[Ann]"}, "row-00000", ("[Ann]",)),
    ],
)
def test_plain_questions(
    tmp_path: Path, row: dict[str, Any], identity: str, answers: tuple[str, ...]
) -> None:
    name, (one,) = load_questions(lines(tmp_path / "mine.jsonl", [row]))
    assert (name, one.id, one.answers) == ("mine", identity, answers)


def test_plain_questions_as_a_sheet(tmp_path: Path) -> None:
    name, (one,) = load_questions(samples.write(tmp_path / "mine.csv", "question,answer\nwho?,Ann\n"))
    assert (name, one.answers) == ("mine", ("Ann",))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "who?", "answer": []}, "line 2 has no answer in the field 'answer'"),
        (
            {"question": "who?", "answer": [{"x": 1}]},
            "line 2 has a field 'answer' with an answer that is neither",
        ),
        ({"question": "who?"}, "line 2 lacks the field 'answer'"),
    ],
)
def test_plain_questions_that_are_not_right(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    good = {"question": "who?", "answer": "Ann"}
    with pytest.raises(DataError, match=message):
        load_questions(lines(tmp_path / "mine.jsonl", [good, row]))


def test_questions_read_whole_numbers_as_ids_and_one_answer_as_a_list() -> None:
    one = Question.model_validate({"id": 3, "question": "who?", "answers": "Ann"})
    assert (one.id, one.answers, one.to_json()["id"]) == ("3", ("Ann",), "3")


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("hotpot", "hotpotqa"),
        ("hotpot_qa", "hotpotqa"),
        ("hotpotqa/hotpot_qa", "hotpotqa"),
        ("HotpotQA-distractor", "hotpotqa"),
        ("2WikiMultihopQA", "2wikimultihopqa"),
        ("2wiki", "2wikimultihopqa"),
        ("NQ", "nq-open"),
        ("natural questions", "nq-open"),
        ("TriviaQA", "triviaqa"),
        ("trivia_qa", "triviaqa"),
        ("BrowseComp", "browsecomp"),
        ("unknown", ""),
    ],
)
def test_other_names_of_suites(spelled: str, name: str) -> None:
    assert registered(spelled) == name
