"""Errors in question files: the message names the place, the error and the remedy."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import suites_samples as samples

from masksearch.errors import DataError, FormatError, MaskSearchError, UsageError
from masksearch.evaluation.suites import SUITES, load_questions
from masksearch.evaluation.suites.layouts import LAYOUTS
from masksearch.types import MaskedTask


def error_of(error: type[MaskSearchError], path: str, suite: str = "") -> str:
    """Returns the error message for a file, with the file's path replaced by FILE."""
    with pytest.raises(error) as caught:
        load_questions(path, suite)
    assert type(caught.value) is error
    message = str(caught.value)
    assert message.endswith(".")
    return message.replace(path, "FILE")


# Files


def test_no_such_file_and_empty_ones(tmp_path: Path) -> None:
    assert error_of(DataError, str(tmp_path / "no.json")) == "There is no file FILE; check the path."
    for text in ("", " \n\n"):
        assert (
            error_of(DataError, samples.write(tmp_path / "a.jsonl", text))
            == "FILE is empty: it holds no questions."
        )
    for name, text in (("a.json", "[]"), ("a.csv", "Question,Answer\r\n,\r\n")):
        assert error_of(DataError, samples.write(tmp_path / name, text)) == "FILE holds no questions."


def test_an_unknown_suite(tmp_path: Path) -> None:
    message = error_of(UsageError, samples.write_list(tmp_path / "a.json", samples.HOTPOT), "hotpotq")
    known = ", ".join(SUITES)
    assert message == f"There is no suite 'hotpotq' (did you mean 'hotpotqa'?); the suites are {known}."
    with pytest.raises(DataError, match="There is no file hotpotq;"):
        load_questions("hotpotq")
    with pytest.raises(UsageError, match="'frames' is the suite frames, but musique was asked for"):
        load_questions("frames", "musique")


def test_files_of_another_kind(tmp_path: Path) -> None:
    assert "is not UTF-8 text" in error_of(DataError, _bytes(tmp_path / "a.csv", b"\xff\xfeQuestion,Answer"))
    assert "is neither JSON nor Parquet, nor a sheet with known columns" in error_of(
        FormatError, samples.write(tmp_path / "a.csv", "a,b\n1,2\n")
    )
    for text in ("Just some text.", "\r\0", 'a"b\rc,d'):
        assert "is neither JSON nor Parquet, nor a sheet" in error_of(
            FormatError, samples.write(tmp_path / "a.txt", text)
        )
    assert "could not be read as Parquet" in error_of(
        DataError, _bytes(tmp_path / "a.parquet", b"PAR1 and no more")
    )
    assert "could not be read: " in error_of(
        DataError, _bytes(tmp_path / "a.json.gz", gzip.compress(b"[]" * 50)[:-9])
    )


def _bytes(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def test_json_that_is_none(tmp_path: Path) -> None:
    good = json.dumps(samples.BAMBOOGLE[0])
    message = error_of(FormatError, samples.write(tmp_path / "a.json", '[\n{"Question": "?",\n "Answer" 1}]'))
    assert message == "FILE, line 3 is not valid JSON (Expecting ':' delimiter, column 11)."
    assert error_of(FormatError, samples.write(tmp_path / "a.jsonl", f"{good}\n\n{{broken\n")).startswith(
        "FILE, line 3 is not valid JSON"
    )
    assert (
        error_of(FormatError, samples.write(tmp_path / "a.jsonl", f"{good}\n3\n"))
        == "FILE, line 2 is not a JSON object but a int."
    )
    assert (
        error_of(FormatError, samples.write(tmp_path / "a.json", '[{"Question": "?", "Answer": "a"}, 3]'))
        == "FILE, record 2 is not a JSON object but a int."
    )
    one = error_of(
        FormatError, samples.write(tmp_path / "a.json", json.dumps({"data": samples.BAMBOOGLE}, indent=1))
    )
    assert (
        one == "FILE is one JSON object; it must be a list of questions, or have one question on each line."
    )
    for text in ("[" * 200_000, "[" + "1" * 5000 + "]"):
        assert error_of(FormatError, samples.write(tmp_path / "a.json", text)).startswith(
            "FILE is not valid JSON ("
        )


def test_sheets_that_do_not_fit(tmp_path: Path) -> None:
    head = "Question,Answer\n"
    assert error_of(FormatError, samples.write(tmp_path / "a.csv", head + "a,b\nc\n")).startswith(
        "FILE, line 3 has 1 cells, but the header has 2"
    )
    assert error_of(FormatError, samples.write(tmp_path / "a.csv", head + "a,b,c\n")).startswith(
        "FILE, line 2 has 3 cells, but the header has 2"
    )
    assert error_of(FormatError, samples.write(tmp_path / "a.csv", head + 'a,b\n"c"d,e\n')).startswith(
        "FILE, line 3 is not valid CSV"
    )
    assert error_of(FormatError, samples.write(tmp_path / "a.csv", head + 'a,"b\n\n')).startswith(
        "FILE, line 2 is not valid CSV"
    )
    assert (
        error_of(FormatError, samples.write(tmp_path / "a.csv", "Question,Answer,Answer\na,b,c\n"))
        == "FILE, line 1 names the column 'Answer' twice."
    )
    assert "has a cell in column 3" in error_of(
        FormatError, samples.write(tmp_path / "a.csv", "Question,Answer,\na,b,c\n")
    )
    # Only FreshQA has remarks above the header; in any other sheet such a line is a stray row.
    assert "nor a sheet with known columns" in error_of(
        FormatError, samples.write(tmp_path / "a.csv", "stray,row\n" + head + "a,b\n")
    )
    assert "nor a sheet with known columns" in error_of(
        FormatError,
        samples.write(
            tmp_path / "a.csv", samples.sheet(samples.FRESH, samples.FRESH_COLUMNS, above="remark\n" * 21)
        ),
    )


# Suites


@pytest.mark.parametrize(
    ("rows", "suite", "message"),
    [
        (
            samples.TWO_WIKI,
            "hotpotqa",
            "FILE is not of HotpotQA but of 2WikiMultiHopQA, by the fields of FILE, record 1; "
            "name that suite, or another file.",
        ),
        (samples.HOTPOT, "2wikimultihopqa", "FILE is not of 2WikiMultiHopQA but of HotpotQA"),
        (samples.MUSIQUE, "frames", "FILE is not of FRAMES but of MuSiQue"),
        (
            [{"a": 1, "b": 2}],
            "musique",
            "FILE is not a question file of MuSiQue (answer, id, paragraphs, question): "
            "FILE, record 1 has the fields a, b;",
        ),
        (
            [{"a": 1}],
            "",
            "FILE is not a question file of a suite or in our format (id, question, answers): "
            "FILE, record 1 has the fields a;",
        ),
        (
            [{}],
            "",
            "FILE is not a question file of a suite or in our format (id, question, answers): "
            "FILE, record 1 has the fields none;",
        ),
        (
            [{"_id": "a", "question": "?", "context": [], "level": "hard"}],
            "",
            "FILE has no answers (FILE, record 1 lacks the field 'answer'): it may be the test set",
        ),
        (
            [{"id": "a", "question": "?", "categories": [], "necessary_evidence": []}],
            "fanoutqa",
            "FILE has no answers",
        ),
        ([{"id": "a", "question": "?", "paragraphs": []}], "", "FILE has no answers"),
    ],
)
def test_files_of_another_suite_or_without_answers(
    tmp_path: Path, rows: list[samples.Row], suite: str, message: str
) -> None:
    assert error_of(FormatError, samples.write_list(tmp_path / "a.json", rows), suite).startswith(message)


def test_an_ambiguous_layout_needs_the_suite_named(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "level"} for row in samples.HOTPOT]
    path = samples.write_list(tmp_path / "a.json", rows)
    assert (
        error_of(UsageError, path)
        == "FILE may be of HotpotQA or 2WikiMultiHopQA, whose layouts are the same; name the suite."
    )
    assert load_questions(path, "2wikimultihopqa")[0] == "2wikimultihopqa"
    assert load_questions(path, "hotpotqa")[0] == "hotpotqa"


def test_ramp_tasks_need_no_reader(tmp_path: Path) -> None:
    task = MaskedTask(
        id="t", doc_id="d", title="T", text="[mask] ran.", answers=("Ann",), masks=1, original="Ann ran."
    )
    path = samples.write_lines(tmp_path / "tasks.jsonl", [task.to_json()])
    assert error_of(UsageError, path).startswith("FILE holds RAMP tasks, which need no reader;")
    assert error_of(UsageError, path, "ramp").startswith("RAMP tasks need no reader;")


# Rows


def changed(rows: list[samples.Row], **fields: Any) -> list[samples.Row]:
    """Returns two rows, the second with changed fields; a field that is None is removed."""
    row = {**rows[1 % len(rows)], **fields}
    other = {"id": "other", "_id": "other", "Unnamed: 0": "99"}
    row |= {name: value for name, value in other.items() if name in row and name not in fields}
    return [rows[0], {name: value for name, value in row.items() if value is not None}]


@pytest.mark.parametrize(
    ("suite", "rows", "message"),
    [
        ("hotpotqa", changed(samples.HOTPOT, answer=None), "lacks the field 'answer'."),
        ("hotpotqa", changed(samples.HOTPOT, answer=" "), "has an empty field 'answer'."),
        (
            "hotpotqa",
            changed(samples.HOTPOT, answer=["yes"]),
            "has a field 'answer' that is neither text nor a number.",
        ),
        ("hotpotqa", changed(samples.HOTPOT, _id=None), "lacks the field 'id'."),
        ("hotpotqa", changed(samples.HOTPOT, question=""), "has an empty field 'question'."),
        ("hotpotqa", changed(samples.HOTPOT, supporting_facts=None), "lacks the field 'supporting_facts'."),
        (
            "hotpotqa",
            changed(samples.HOTPOT, supporting_facts="none"),
            "has a field 'supporting_facts' that is not a list.",
        ),
        (
            "hotpotqa",
            changed(samples.HOTPOT, supporting_facts=[[0, "A"]]),
            "has a field 'supporting_facts' without a title in one of its entries.",
        ),
        (
            "hotpotqa",
            changed(samples.HOTPOT, supporting_facts=[["A"], []]),
            "has a field 'supporting_facts' without a title in one of its entries.",
        ),
        (
            "hotpotqa",
            changed(samples.HOTPOT, supporting_facts={"title": ["A"], "sent_id": []}),
            "has a field 'supporting_facts' whose lists differ in length.",
        ),
        (
            "hotpotqa",
            changed(samples.HOTPOT, context=[["A", "text"]]),
            "has a field 'context' in which a paragraph is not a title with its sentences.",
        ),
        ("hotpotqa", changed(samples.HOTPOT, question="a\ud800"), "has characters that are not valid text."),
        (
            "hotpotqa",
            changed(samples.HOTPOT, _id=samples.HOTPOT[0]["_id"]),
            "repeats the id '5a8b57f25542995d1e6f1371' of FILE, record 1; "
            "ids must be unique, so remove one of the two.",
        ),
        (
            "musique",
            changed(samples.MUSIQUE, answerable="perhaps"),
            "has a field 'answerable' that is neither true nor false but 'perhaps'.",
        ),
        (
            "musique",
            changed(samples.MUSIQUE, paragraphs=[1]),
            "has a field 'paragraphs' with an entry that is not an object.",
        ),
        (
            "musique",
            changed(samples.MUSIQUE, paragraphs=[{"title": "A"}]),
            "has a paragraph without a number in 'idx', or without text",
        ),
        (
            "musique",
            changed(samples.MUSIQUE, paragraphs=[{"idx": 1, "title": "A"}]),
            "has a paragraph without a number in 'idx', or",
        ),
        (
            "musique",
            changed(samples.MUSIQUE, answer_aliases=[1]),
            "has a field 'answer_aliases' with an entry that is not text.",
        ),
        ("bamboogle", changed(samples.BAMBOOGLE, Answer=None), "lacks the field 'Answer'."),
        ("fanoutqa", changed(samples.FANOUT, answer=[]), "has an empty field 'answer'."),
        (
            "fanoutqa",
            changed(samples.FANOUT, answer={"a": None}),
            "has an answer with a part that is not text or a number but a NoneType.",
        ),
        ("fanoutqa", changed(samples.FANOUT, answer=["a", " "]), "has an answer with an empty part."),
        (
            "fanoutqa",
            changed(samples.FANOUT, decomposition=["a"]),
            "has a field 'decomposition' with an entry that is not an object.",
        ),
        ("freshqa", changed(samples.FRESH, split="TEST", answer_0=""), "has an empty field 'answer_0'."),
        (
            "freshqa",
            changed(samples.FRESH, split="TRAIN"),
            "has the split 'TRAIN', which is neither TEST nor DEV.",
        ),
        (
            "freshqa",
            changed(samples.FRESH, split="TEST", false_premise="maybe"),
            "has a field 'false_premise' that is neither true nor false but 'maybe'.",
        ),
        ("frames", changed(samples.FRAMES, Answer=None), "lacks the field 'Answer'."),
        (
            "frames",
            changed(samples.FRAMES, **{"Unnamed: 0": "0"}),
            "repeats the id 'frames-000' of FILE, record 1;",
        ),
    ],
)
def test_rows_that_are_not_right(tmp_path: Path, suite: str, rows: list[samples.Row], message: str) -> None:
    path = samples.write(tmp_path / "a.json", json.dumps(rows))
    assert error_of(FormatError, path, suite).startswith(f"FILE, record 2 {message}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": None}, "lacks the field 'id'"),
        ({"answers": []}, "has a bad field 'answers'"),
        ({"answers": 3}, "has a bad field 'answers'"),
        ({"answers": ["x", " "]}, "has an empty answer"),
        ({"question": " "}, "has an empty field 'question'"),
        ({"id": "a"}, "repeats the id 'a'"),
        ({"answer_raw": [None]}, "has an answer with a part that is not text or a number"),
    ],
)
def test_our_own_rows_that_are_not_right(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    good = {"id": "a", "question": "Who?", "answers": ["x"]}
    bad = {name: value for name, value in {**good, "id": "b", **fields}.items() if value is not None}
    assert error_of(FormatError, samples.write_lines(tmp_path / "a.jsonl", [good, bad])).startswith(
        f"FILE, line 2 {message}"
    )


def test_releases_with_no_question_to_ask(tmp_path: Path) -> None:
    message = error_of(DataError, samples.write_lines(tmp_path / "a.jsonl", [samples.UNANSWERABLE]))
    assert message == "FILE holds no question to ask: 1 are not answerable from its paragraphs."


def test_errors_in_the_aliases_name_their_line(tmp_path: Path) -> None:
    path = samples.write_list(tmp_path / "dev.json", samples.TWO_WIKI)
    for row, message in (
        ({"aliases": []}, "lacks the field 'Q_id'"),
        ({"Q_id": "Q1", "aliases": [1]}, "has an alias that is not text"),
    ):
        samples.write_lines(tmp_path / "id_aliases.json", [samples.ALIASES[0], row])
        with pytest.raises(FormatError, match=re.escape(f"{tmp_path / 'id_aliases.json'}, line 2 {message}")):
            load_questions(path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["title", "sentences", "idx", "evidence", "decomposition", "a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
FIRST = {
    "hotpotqa": samples.HOTPOT,
    "2wikimultihopqa": samples.TWO_WIKI,
    "musique": samples.MUSIQUE,
    "bamboogle": samples.BAMBOOGLE,
    "fanoutqa": samples.FANOUT,
    "freshqa": samples.FRESH,
    "frames": samples.FRAMES,
    "nq-open": samples.NQ,
    "triviaqa": samples.TRIVIA,
    "popqa": samples.POPQA,
    "simpleqa": samples.SIMPLEQA,
    "browsecomp": samples.BROWSECOMP,
    "gaia": samples.GAIA,
}


@given(st.sampled_from(sorted(LAYOUTS)), st.data())
def test_a_row_with_anything_in_a_field_is_read_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, suite: str, data: st.DataObject
) -> None:
    rows = changed(FIRST[suite])
    field = data.draw(st.sampled_from(sorted(rows[1])))
    rows[1][field] = data.draw(JSON_VALUES)
    path = samples.write(tmp_path_factory.mktemp("any") / "a.json", json.dumps(rows))
    fault, questions = "", []
    try:
        _, questions = load_questions(path, suite)
    except FormatError as error:
        fault = str(error)
    assert questions or fault.startswith(f"{path}, record 2 ")
    assert all(answer.strip() for question in questions for answer in question.answers)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = _bytes(tmp_path_factory.mktemp("bytes") / "a.dat", data)
    with pytest.raises(DataError):
        load_questions(path)
