"""Wrappers around a back end: retries, limits, cache, record and replay, noise, reranking; alone and
combined."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import pickle
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.search_fakes import PASSAGES, Counting, CountingPages

from masksearch.errors import DataError, SearchError, SearchUnavailableError, UsageError
from masksearch.protocols import PageReader, Searcher
from masksearch.search import Bm25Searcher, build, load, open_searcher
from masksearch.search.settings import IndexSettings, NoiseSettings, SearchSettings
from masksearch.search.wrappers import Replay, check, wrapped
from masksearch.search.wrappers.cached import Cached
from masksearch.search.wrappers.limited import Limited
from masksearch.search.wrappers.noisy import Noisy
from masksearch.search.wrappers.recorded import Recorder
from masksearch.search.wrappers.reranked import Reranked, load_cross_encoder
from masksearch.search.wrappers.retrying import Retrying
from masksearch.types import Hit, Page

PLAIN = Bm25Searcher.in_memory(PASSAGES)
QUERIES = ["radium", "capital of france", "king and queen", "river"]
EXPECTED = PLAIN.search(QUERIES, 5)


def all_wrappers(inner: Any, folder: Path) -> dict[str, Any]:
    return {
        "retrying": Retrying(inner, 2),
        "limited": Limited(inner, concurrency=3),
        "cached": Cached(inner, folder / "cache"),
        "recorded": Recorder(inner, folder / "record.jsonl"),
        "noisy": Noisy(inner, NoiseSettings()),
        "reranked": Reranked(inner, lambda pairs: [0.0] * len(pairs), "zero", 5),
    }


NAMES = ["retrying", "limited", "cached", "recorded", "noisy", "reranked"]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_searcher_and_a_page_reader_where_the_inner_one_is(tmp_path: Path, name: str) -> None:
    bare, paged = (
        all_wrappers(Counting(), tmp_path / "a")[name],
        all_wrappers(CountingPages(), tmp_path / "b")[name],
    )
    assert isinstance(bare, Searcher)
    assert not isinstance(bare, PageReader)
    assert isinstance(paged, PageReader)
    page = PLAIN.page("title 3")
    assert page is not None
    assert paged.page("title 3") == page == asyncio.run(paged.apage("title 3"))
    assert paged.page("nobody") is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "reranked"])
def test_without_failures_each_answers_as_the_inner_one_in_any_loop_or_thread(
    tmp_path: Path, name: str
) -> None:
    searcher = all_wrappers(Counting(), tmp_path)[name]
    assert searcher.fingerprint == PLAIN.fingerprint
    for _ in range(2):
        assert searcher.search(QUERIES, 5) == EXPECTED

    async def together() -> list[list[Hit]]:
        return await asyncio.gather(*(searcher.asearch(query, 5) for query in QUERIES))

    assert asyncio.run(together()) == EXPECTED
    assert asyncio.run(together()) == EXPECTED
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(searcher.search(QUERIES, 5))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [EXPECTED] * 4


@pytest.mark.parametrize("name", [name for name in NAMES if name != "reranked"])
def test_each_pickles_where_the_inner_one_does(tmp_path: Path, name: str) -> None:
    build(PASSAGES, tmp_path / "index", IndexSettings())
    searcher = all_wrappers(load(tmp_path / "index"), tmp_path)[name]
    copy = pickle.loads(pickle.dumps(searcher))
    assert copy.search(QUERIES, 5) == EXPECTED
    assert copy.page("title 3") == PLAIN.page("title 3")


def retrying(failures: list[Exception], retries: int = 3) -> tuple[Retrying, CountingPages]:
    inner = CountingPages(failures)
    return Retrying(inner, retries, pause=0.001), inner


def test_failures_that_may_pass_are_retried() -> None:
    searcher, inner = retrying([SearchUnavailableError("busy")] * 3)
    assert searcher.search(["radium"], 5) == [EXPECTED[0]]
    assert len(inner.asked) == 4
    searcher, inner = retrying([SearchUnavailableError("busy")] * 3)
    assert asyncio.run(searcher.asearch("radium", 5)) == EXPECTED[0]
    searcher, inner = retrying([SearchUnavailableError("busy")])
    assert searcher.page("title 1") == PLAIN.page("title 1")


def test_after_a_failed_batch_each_query_is_searched_alone() -> None:
    searcher, inner = retrying([SearchUnavailableError("busy"), SearchUnavailableError("busy")])
    assert searcher.search(QUERIES, 5) == EXPECTED
    assert [queries for queries, _ in inner.asked] == [
        QUERIES,
        QUERIES[:1],
        QUERIES[:1],
        *([query] for query in QUERIES[1:]),
    ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda searcher: searcher.search(["radium"], 5),
        lambda searcher: asyncio.run(searcher.asearch("radium", 5)),
    ],
)
def test_the_last_failure_names_the_number_of_attempts(ask: Any) -> None:
    searcher, _ = retrying([SearchUnavailableError("It is busy.")] * 10)
    with pytest.raises(SearchUnavailableError, match=r"It is busy\. \(Tried 4 times\.\)"):
        ask(searcher)


def test_other_failures_are_not_retried() -> None:
    searcher, inner = retrying([SearchError("wrong key")])
    with pytest.raises(SearchError, match="wrong key"):
        searcher.search(["radium"], 5)
    assert len(inner.asked) == 1


def test_a_requested_pause_is_made_unless_it_is_too_long() -> None:
    searcher, _ = retrying([SearchUnavailableError("busy", 0.2)])
    started = time.monotonic()
    assert searcher.search(["radium"], 5) == [EXPECTED[0]]
    assert time.monotonic() - started >= 0.2
    searcher, inner = retrying([SearchUnavailableError("busy", 3600)])
    with pytest.raises(SearchUnavailableError, match="asks for a pause of 3600 s"):
        asyncio.run(searcher.asearch("radium", 5))
    assert len(inner.asked) == 1


def test_searches_start_at_the_allowed_rate() -> None:
    searcher = Limited(Counting(), rate=50)
    started = time.monotonic()
    searcher.search(["radium"] * 4, 5)

    async def more() -> None:
        await asyncio.gather(*(searcher.asearch("radium", 5) for _ in range(4)))

    asyncio.run(more())
    assert time.monotonic() - started >= 7 / 50


def test_at_most_concurrency_searches_run_at_once() -> None:
    running, most = 0, 0

    class Slow(Counting):
        async def asearch(self, query: str, k: int) -> list[Hit]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return []

    searcher = Limited(Slow(), concurrency=3)

    async def many() -> None:
        await asyncio.gather(*(searcher.asearch("radium", 5) for _ in range(12)))

    asyncio.run(many())
    asyncio.run(many())
    assert most == 3


def test_a_failure_frees_its_place() -> None:
    searcher = Limited(Counting([SearchError("no")] * 2), concurrency=1)
    with pytest.raises(SearchError):
        searcher.search(["radium"], 5)
    with pytest.raises(SearchError):
        asyncio.run(searcher.asearch("radium", 5))
    assert searcher.search(["radium"], 5) == [EXPECTED[0]]


def test_cached_results_are_not_requested_again(tmp_path: Path) -> None:
    inner = Counting()
    searcher = Cached(inner, tmp_path / "cache")
    assert searcher.search(QUERIES[:2], 5) == EXPECTED[:2]
    assert searcher.search(QUERIES, 5) == EXPECTED
    assert asyncio.run(searcher.asearch(QUERIES[3], 5)) == EXPECTED[3]
    assert [queries for queries, _ in inner.asked] == [QUERIES[:2], QUERIES[2:]]
    assert (searcher.hits, searcher.misses) == (3, 4)
    assert searcher.search(["radium"], 4) == [EXPECTED[0][:4]]
    assert searcher.search(["unheard"], 4) == [[]] == searcher.search(["unheard"], 4)
    assert len(inner.asked) == 4
    other = Counting(passages=PASSAGES[:30])
    Cached(other, tmp_path / "cache").search(["radium"], 5)
    assert len(other.asked) == 1


def test_failures_are_not_cached(tmp_path: Path) -> None:
    searcher = Cached(Counting([SearchError("no")]), tmp_path / "cache")
    with pytest.raises(SearchError):
        searcher.search(["radium"], 5)
    assert searcher.search(["radium"], 5) == [EXPECTED[0]]


def _entry(folder: Path, column: str, value: Any) -> None:
    with sqlite3.connect(folder / "cache.db") as database:
        assert database.execute(f"UPDATE Cache SET {column} = ?", (value,)).rowcount == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("value", b"not json"),
        ("value", b'[{"a": 1}]'),
        ("mode", 4),
        ("mode", 3),
        ("value", "text"),
        ("value", None),
    ],
)
def test_an_invalid_cache_entry_is_a_miss(tmp_path: Path, column: str, value: Any) -> None:
    Cached(Counting(), tmp_path / "cache").search(["radium"], 5)
    _entry(tmp_path / "cache", column, value)
    inner = Counting()
    assert Cached(inner, tmp_path / "cache").search(["radium"], 5) == [EXPECTED[0]]
    assert len(inner.asked) == 1


def test_a_pickle_in_the_cache_is_never_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path}/opened",)

    Cached(Counting(), tmp_path / "cache").search(["radium"], 5)
    with sqlite3.connect(tmp_path / "cache" / "cache.db") as database:
        database.execute("UPDATE Cache SET mode = 4, value = ?", (pickle.dumps(Evil()),))
    assert Cached(Counting(), tmp_path / "cache").search(["radium"], 5) == [EXPECTED[0]]
    assert not (tmp_path / "opened").exists()


def test_an_unusable_cache_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thing").write_text("x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cache.db").write_bytes(b"this is no database" * 1000)
    for name, message in (
        ("file", "not a folder of cached"),
        ("other", "not a folder of cached"),
        ("broken", "cannot be used"),
    ):
        with pytest.raises(SearchError, match=message):
            Cached(Counting(), tmp_path / name)


def _ask_all(folder: str, times: int) -> None:
    searcher = Cached(load(Path(folder) / "index"), Path(folder) / "cache")
    for number in range(times):
        assert searcher.search([f"radium {number % 25}", "curie"], 5)[1] == PLAIN.search(["curie"], 5)[0]


@pytest.mark.slow
def test_processes_share_a_cache(tmp_path: Path) -> None:
    build(PASSAGES, tmp_path / "index", IndexSettings())
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_ask_all, args=(str(tmp_path), 100)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    inner = Counting()
    Cached(inner, tmp_path / "cache").search([f"radium {number}" for number in range(25)], 5)
    assert inner.asked == []


@pytest.mark.slow
def test_cached_results_survive_a_kill(tmp_path: Path) -> None:
    build(PASSAGES, tmp_path / "index", IndexSettings())
    worker = multiprocessing.get_context("spawn").Process(target=_ask_all, args=(str(tmp_path), 10**6))
    worker.start()
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (tmp_path / "cache" / "cache.db").exists():
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
    searcher = Cached(Counting(), tmp_path / "cache")
    assert searcher.search(["curie"], 5) == PLAIN.search(["curie"], 5)
    assert searcher.search(["radium"], 5) == [EXPECTED[0]]


def test_a_record_answers_as_the_search_did(tmp_path: Path) -> None:
    inner = CountingPages()
    recorder = Recorder(inner, tmp_path / "r.jsonl")
    assert recorder.search(QUERIES[:2], 5) == EXPECTED[:2]
    assert asyncio.run(recorder.asearch(QUERIES[2], 5)) == EXPECTED[2]
    page = recorder.page("title 3")
    assert recorder.page("nobody") is None
    inner.failures = [SearchError("It broke."), SearchUnavailableError("busy")]
    for query in ("bad", "later"):
        with pytest.raises(SearchError):
            recorder.search([query], 5)
    assert recorder.search(["later"], 5) == [[]]
    replay = Replay(tmp_path / "r.jsonl")
    assert isinstance(replay, Searcher)
    assert replay.fingerprint == PLAIN.fingerprint
    assert replay.search(QUERIES[:3], 5) == EXPECTED[:3]
    assert asyncio.run(replay.asearch(QUERIES[0], 5)) == EXPECTED[0]
    assert replay.search(["later"], 5) == [[]]
    assert replay.page("title 3") == page
    assert replay.page("nobody") is None
    with pytest.raises(SearchError, match=r"^It broke\.$"):
        replay.search(["bad"], 5)
    for query, k in (("new", 5), (QUERIES[0], 4)):
        with pytest.raises(SearchError, match=rf"'{query}' \(k = {k}\) is not in the record .*r\.jsonl"):
            replay.search([query], k)
    with pytest.raises(SearchError, match="'title 4' is not in the record"):
        replay.page("title 4")
    assert pickle.loads(pickle.dumps(replay)).search(QUERIES[:1], 5) == EXPECTED[:1]


def test_each_search_is_recorded_once_and_a_torn_line_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Recorder(Counting(), path).search([*QUERIES, *QUERIES], 5)
    assert len(path.read_text().splitlines()) == 1 + len(QUERIES)
    path.write_bytes(path.read_bytes()[:-20])
    again = Recorder(Counting(), path)
    again.search(QUERIES, 5)
    assert Replay(path).search(QUERIES, 5) == EXPECTED


def test_a_record_belongs_to_one_searcher(tmp_path: Path) -> None:
    Recorder(Counting(), tmp_path / "r.jsonl").search(QUERIES, 5)
    with pytest.raises(DataError, match="holds a record of the search bm25-"):
        Recorder(Counting(passages=PASSAGES[:9]), tmp_path / "r.jsonl")
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(DataError, match="of something else"):
        Recorder(Counting(), tmp_path / "other.jsonl")
    with pytest.raises(DataError, match="is not a record of searches"):
        Replay(tmp_path / "other.jsonl")
    with pytest.raises(DataError, match="no file"):
        Replay(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("kind", "expected"), [("drop", 0.3), ("distract", 0.3), ("fail", 0.3), ("shuffle", 0.3)]
)
@pytest.mark.slow
def test_noise_occurs_at_its_rate(kind: str, expected: float) -> None:
    many = Bm25Searcher.in_memory(PASSAGES)
    noisy = Noisy(many, NoiseSettings(**{kind: expected}))
    seen: Counter[str] = Counter()
    for number in range(2000):
        query = f"number and number{number}"
        plain = many.search([query], 5)[0]
        try:
            hits = noisy.search([query], 5)[0]
        except SearchError as error:
            seen["fail"] += "on purpose" in str(error)
            continue
        seen["drop"] += 5 - len(hits)
        seen["distract"] += len([hit for hit in hits if hit not in plain])
        seen["shuffle"] += len(hits) == 5 and set(map(str, hits)) == set(map(str, plain)) and hits != plain
    share = seen[kind] / (2000 if kind in ("fail", "shuffle") else 10_000)
    assert share == pytest.approx(expected, abs=0.04)
    assert all(count == 0 for name, count in seen.items() if name != kind)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["radium", "king", "and", "number", "zzz"]), min_size=1, max_size=4),
    st.integers(1, 12),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.integers(0, 3),
)
def test_noise_adds_no_results_no_duplicates_and_is_deterministic(
    words: list[str], k: int, rates: tuple[float, float, float], seed: int
) -> None:
    query = " ".join(words)
    noise = NoiseSettings(drop=rates[0], distract=rates[1], shuffle=rates[2], seed=seed)
    noisy = Noisy(PLAIN, noise)
    hits = noisy.search([query], k)[0]
    names = [hit.passage.id for hit in hits]
    assert len(set(names)) == len(names) <= k
    assert {hit.passage.id: hit.score for hit in hits}.items() <= {
        hit.passage.id: hit.score for hit in PLAIN.search([query], 4 * k)[0]
    }.items()
    assert asyncio.run(Noisy(PLAIN, noise).asearch(query, k)) == hits
    assert noisy.search(["other", query, "more"], k)[1] == hits


def test_noise_is_part_of_the_fingerprint() -> None:
    prints = {
        Noisy(PLAIN, NoiseSettings(drop=rate, seed=seed)).fingerprint
        for rate in (0, 0.1, 0.2)
        for seed in (1, 2)
    }
    assert len(prints) == 5
    assert PLAIN.fingerprint in prints
    assert all(name.startswith(PLAIN.fingerprint) for name in prints)


def test_results_are_ordered_by_the_scorer_and_ties_by_id() -> None:
    asked: list[tuple[str, str]] = []

    def scorer(pairs: list[tuple[str, str]]) -> list[float]:
        asked.extend(pairs)
        return [float(len(text) % 2) for _, text in pairs]

    searcher = Reranked(PLAIN, scorer, "by length", 20)
    plain = PLAIN.search(["number"], 20)[0]
    hits = searcher.search(["number"], 5)[0]
    length = {hit.passage.id: len(f"{hit.passage.title}\n{hit.passage.text}") % 2 for hit in plain}
    assert [hit.passage.id for hit in hits] == sorted(length, key=lambda name: (-length[name], name))[:5]
    assert [hit.score for hit in hits] == [float(length[hit.passage.id]) for hit in hits]
    assert asked[0] == ("number", f"{plain[0].passage.title}\n{plain[0].passage.text}")
    assert len(asked) == 20
    assert searcher.search(["number", "unheard", "radium"], 5) == [
        hits,
        [],
        searcher.search(["radium"], 5)[0],
    ]
    assert asyncio.run(searcher.asearch("number", 5)) == hits
    assert len(searcher.search(["number"], 30)[0]) == 30
    assert searcher.search(["number"], 0) == [[]]
    assert searcher.fingerprint.startswith(f"{PLAIN.fingerprint}-rerank-")
    assert searcher.fingerprint != Reranked(PLAIN, scorer, "by length", 10).fingerprint


@pytest.mark.slow
def test_a_real_cross_encoder_orders_by_its_own_scores(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = sorted(
        {
            word
            for passage in PASSAGES
            for word in f"{passage.title} {passage.text}".lower().replace(".", " .").split()
        }
    )
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
    }
    BertForSequenceClassification(
        BertConfig(vocab_size=len(words) + 5, num_labels=1, **sizes)
    ).save_pretrained(tmp_path / "model")
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "model")
    scorer, name = load_cross_encoder(str(tmp_path / "model"))
    searcher = Reranked(PLAIN, scorer, name, 10)
    direct = CrossEncoder(str(tmp_path / "model"), device="cpu")
    for query in QUERIES:
        hits = PLAIN.search([query], 10)[0]
        scores = direct.predict(
            [(query, f"{hit.passage.title}\n{hit.passage.text}") for hit in hits],
            activation_fn=torch.nn.Identity(),
        )
        expected = {hit.passage.id: round(float(score), 5) for hit, score in zip(hits, scores, strict=True)}
        assert [hit.passage.id for hit in searcher.search([query], 10)[0]] == sorted(
            expected, key=lambda name: (-expected[name], name)
        )
    assert searcher.search(QUERIES, 5) == [searcher.search([query], 5)[0] for query in QUERIES]
    assert name.startswith("model-")
    assert len(name) == len("model-") + 12


def test_all_wrappers_combined_and_none_by_default(tmp_path: Path) -> None:
    assert wrapped(PLAIN, SearchSettings(), True) is not PLAIN
    assert wrapped(PLAIN, SearchSettings(), False) is PLAIN
    every = SearchSettings(
        rate=1000,
        concurrency=2,
        cache=str(tmp_path / "c"),
        record=str(tmp_path / "r"),
        noise=NoiseSettings(shuffle=0.5),
    )
    searcher = wrapped(CountingPages([SearchUnavailableError("busy", 0.01)]), every, True)
    assert isinstance(searcher, PageReader)
    found = searcher.search(QUERIES, 5)
    assert [sorted(hit.passage.id for hit in hits) for hits in found] == [
        sorted(hit.passage.id for hit in hits) for hits in EXPECTED
    ]
    again = open_searcher(
        "web:nobody", SearchSettings(replay=str(tmp_path / "r"), noise=NoiseSettings(shuffle=0.5))
    )
    assert again.search(QUERIES, 5) == found
    assert again.fingerprint == searcher.fingerprint


def test_contradicting_settings() -> None:
    for name in ("record", "cache"):
        with pytest.raises(UsageError, match=f"search.{name} would have no effect"):
            check(SearchSettings(replay="r", **{name: "x"}))


def test_answers_are_kept_as_json(tmp_path: Path) -> None:
    Recorder(Counting(), tmp_path / "r.jsonl").search(["radium"], 1)
    head, row = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert head == {"format": "masksearch-searches/1", "retriever": PLAIN.fingerprint}
    assert row == {
        "query": "radium",
        "k": 1,
        "hits": [EXPECTED[0][0].model_dump(mode="json", exclude_defaults=True)],
    }
    assert Page.model_validate(PLAIN.page("title 3")) == PLAIN.page("title 3")
