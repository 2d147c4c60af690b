"""Caches and records: missing pages, failures, torn and damaged lines, files that cannot be written."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from kit.search_fakes import PASSAGES, Counting, CountingPages

from masksearch.errors import DataError, SearchError, SearchUnavailableError, UsageError
from masksearch.search import Bm25Searcher
from masksearch.search.settings import NoiseSettings
from masksearch.search.wrappers.cached import Cached
from masksearch.search.wrappers.noisy import Noisy
from masksearch.search.wrappers.recorded import Recorder, Replay
from masksearch.types import Passage

EXPECTED = Bm25Searcher.in_memory(PASSAGES).search(["radium", "river"], 5)


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_missing_page_is_cached_too(tmp_path: Path) -> None:
    inner = CountingPages()
    searcher: Any = Cached(inner, tmp_path / "cache")
    assert searcher.page("nobody") is None
    assert searcher.page("nobody") is None
    assert asyncio.run(searcher.apage("nobody")) is None
    assert asyncio.run(searcher.apage("title 3")) == searcher.page("title 3") is not None
    assert inner.asked == ["nobody", "title 3"]
    assert (searcher.hits, searcher.misses) == (3, 2)


def test_a_duplicate_query_in_a_batch_is_searched_once(tmp_path: Path) -> None:
    inner = Counting()
    searcher = Cached(inner, tmp_path / "cache")
    assert searcher.search(["radium", "river", "radium"], 5) == [*EXPECTED, EXPECTED[0]]
    assert inner.asked == [(["radium", "river"], 5)]


def test_a_cache_in_a_folder_that_cannot_be_made_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SearchError, match=r"cache .*below cannot be used .*make it writable"):
        Cached(Counting(), tmp_path / "file" / "below")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_failures_are_replayed_with_their_kind_for_searches_and_pages(
    tmp_path: Path, asynchronous: bool
) -> None:
    def ask(searcher: Any, name: str, *arguments: Any) -> Any:
        if asynchronous:
            return asyncio.run(getattr(searcher, "apage" if name == "page" else "asearch")(*arguments))
        return (
            searcher.page(*arguments) if name == "page" else searcher.search([arguments[0]], arguments[1])[0]
        )

    asked: list[tuple[Any, ...]] = [
        ("search", "radium", 5),
        ("search", "river", 5),
        ("page", "title 3"),
        ("page", "title 4"),
    ]
    failures = [SearchError("It broke."), SearchUnavailableError("It is busy.", 3.0)] * 2
    recorder = Recorder(CountingPages(failures), tmp_path / "r.jsonl")
    for question in asked:
        with pytest.raises(SearchError):
            ask(recorder, *question)
    replay = Replay(tmp_path / "r.jsonl")
    for question, failure in zip(asked, failures, strict=True):
        with pytest.raises(SearchError) as met:
            ask(replay, *question)
        assert (type(met.value), str(met.value)) == (type(failure), str(failure))


def test_a_failure_is_recorded_once_and_a_later_answer_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    inner = Counting([SearchUnavailableError("busy")] * 4)
    for _ in range(2):  # the second recorder continues the file
        recorder = Recorder(inner, path)
        for _ in range(2):
            with pytest.raises(SearchError):
                recorder.search(["radium"], 5)
    assert len(rows(path)) == 2
    assert recorder.search(["radium"], 5) == recorder.search(["radium"], 5) == EXPECTED[:1]
    inner.failures.append(SearchError("later"))
    with pytest.raises(SearchError):
        recorder.search(["radium"], 5)
    assert [sorted(row) for row in rows(path)[1:]] == [
        ["error", "k", "kind", "query"],
        ["hits", "k", "query"],
    ]
    assert Replay(path).search(["radium"], 5) == EXPECTED[:1]


def test_a_title_and_a_query_with_the_same_words_are_recorded_separately(tmp_path: Path) -> None:
    recorder: Any = Recorder(CountingPages(), tmp_path / "r.jsonl")
    assert recorder.search(["title 3"], 0) == [[]]
    page = recorder.page("title 3")
    assert Replay(tmp_path / "r.jsonl").search(["title 3"], 0) == [[]]
    assert Replay(tmp_path / "r.jsonl").page("title 3") == page is not None


def test_a_line_torn_within_a_character_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    inner = Counting(passages=[Passage(id="1", doc_id="1", title="Radium", text="radium 北京北京")])
    recorder = Recorder(inner, path)
    first = recorder.search(["radium"], 1)
    recorder.search(["radium"], 2)
    path.write_bytes(path.read_bytes()[: path.read_bytes().rindex("京".encode()) + 1])
    assert Replay(path).search(["radium"], 1) == first
    Recorder(inner, path).search(["radium"], 2)
    assert Replay(path).search(["radium"], 2) == Replay(path).search(["radium"], 1) == first


def test_a_compressed_record_is_replayed_but_not_written(tmp_path: Path) -> None:
    Recorder(Counting(), tmp_path / "r.jsonl").search(["radium"], 5)
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress((tmp_path / "r.jsonl").read_bytes()))
    assert Replay(tmp_path / "r.jsonl.gz").search(["radium"], 5) == EXPECTED[:1]
    with pytest.raises(UsageError, match=r"leave \.gz out of"):
        Recorder(Counting(), tmp_path / "new.jsonl.gz")
    assert not (tmp_path / "new.jsonl.gz").exists()


def test_a_record_that_cannot_be_written_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(DataError, match=r"^The record .* cannot be written \(.*\); name another file"):
            Recorder(Counting(), path)
    recorder = Recorder(Counting(), tmp_path / "later" / "r.jsonl")
    (tmp_path / "later" / "r.jsonl").unlink()
    (tmp_path / "later" / "r.jsonl").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        asyncio.run(recorder.asearch("radium", 5))


@pytest.mark.parametrize(
    "row",
    [
        {"query": "a", "k": 1},
        {"query": "a", "k": 1, "hits": [{"score": 1}]},
        {"title": "a"},
        {"title": "a", "page": {"text": 1}},
    ],
)
def test_a_damaged_answer_in_a_record_is_one_failed_search(tmp_path: Path, row: dict[str, Any]) -> None:
    Recorder(Counting(), tmp_path / "r.jsonl").search(["radium"], 5)
    with open(tmp_path / "r.jsonl", "a") as stream:
        stream.write(json.dumps(row) + "\n")
    replay = Replay(tmp_path / "r.jsonl")
    with pytest.raises(SearchError, match="is damaged; record the run again"):
        replay.page("a") if "title" in row else replay.search(["a"], 1)
    assert replay.search(["radium"], 5) == EXPECTED[:1]


def test_half_a_surrogate_pair_in_a_query_crashes_nothing(tmp_path: Path) -> None:
    query = "radium \ud83d"
    recorder = Recorder(Cached(Counting(), tmp_path / "cache"), tmp_path / "r.jsonl")
    assert recorder.search([query], 5) == Replay(tmp_path / "r.jsonl").search([query], 5) == EXPECTED[:1]
    noisy = Noisy(Counting(), NoiseSettings(shuffle=1.0))
    assert sorted(noisy.search([query], 5)[0], key=str) == sorted(EXPECTED[0], key=str)


@pytest.mark.parametrize(
    "content", [b"my notes\nof a week\n", b"[1, 2]\n", b"\xff\xfe", b'{"format": "masksearch-s\nnotes\n']
)
def test_a_file_that_is_no_record_is_not_changed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    with pytest.raises(DataError, match="something other than a record"):
        Recorder(Counting(), tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_bytes() == content


@pytest.mark.parametrize("length", [0, 1, 20, 45, 60])
def test_a_torn_first_line_is_repaired(tmp_path: Path, length: int) -> None:
    path = tmp_path / "r.jsonl"
    Recorder(Counting(), path)
    for _ in range(2):  # killed twice
        path.write_bytes(path.read_bytes()[:length])
        Recorder(Counting(), path).search(["radium", "river"], 5)
    assert Replay(path).search(["radium", "river"], 5) == EXPECTED
