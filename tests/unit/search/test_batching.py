"""Batching: batch sizes, lanes, order, failures, cancelled callers, several event loops."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Sequence

import pytest
from kit.waiting import LONG

from masksearch.errors import SearchError
from masksearch.search.batching import Batcher
from masksearch.types import Hit, Passage


def hits_of(query: str, k: int) -> list[Hit]:
    return [
        Hit(passage=Passage(id=f"{query}-{rank}", doc_id="d", title="", text=query), score=1.0)
        for rank in range(k)
    ]


class Recording:
    """Finds `k` passages named after each query, and records all calls."""

    fingerprint = "recording"

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], int]] = []

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        self.calls.append((list(queries), k))
        return [hits_of(query, k) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        return self.search([query], k)[0]


class Picky(Recording):
    """Fails if one of the queries starts with "bad"."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        super().search(queries, k)
        for query in queries:
            if query.startswith("bad"):
                raise SearchError(f"no {query}")
        return [hits_of(query, k) for query in queries]


class Gated(Recording):
    """Blocks each search until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.started = threading.Semaphore(0)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        self.started.release()
        assert self.gate.wait(LONG)
        return super().search(queries, k)


class Short(Recording):
    """Returns one result list too few."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        return super().search(queries, k)[1:]


async def ask_all(batcher: Batcher, queries: Sequence[str], k: int = 2) -> list[list[Hit] | BaseException]:
    return await asyncio.gather(*(batcher.search(query, k) for query in queries), return_exceptions=True)


async def started(searcher: Gated) -> None:
    assert await asyncio.to_thread(searcher.started.acquire, timeout=LONG)


inline_or_not = pytest.mark.parametrize("inline", [True, False])


@inline_or_not
def test_concurrent_searches_are_one_call_and_each_caller_gets_its_own_results(inline: bool) -> None:
    searcher = Recording()
    found = asyncio.run(ask_all(Batcher(searcher, 8, inline), ["a", "b", "c"]))
    assert found == [hits_of(query, 2) for query in "abc"]
    assert searcher.calls == [(["a", "b", "c"], 2)]


@inline_or_not
def test_a_batch_has_at_most_size_queries(inline: bool) -> None:
    searcher, sizes = Recording(), list[int]()
    asyncio.run(
        ask_all(Batcher(searcher, 4, inline, observe=sizes.append), [f"q{number}" for number in range(10)])
    )
    assert [len(queries) for queries, _ in searcher.calls] == sizes == [4, 4, 2]


def test_searches_with_the_same_k_are_batched_and_lanes_take_turns() -> None:
    searcher = Recording()

    async def run() -> None:
        batcher = Batcher(searcher, 2, inline=True)
        await asyncio.gather(*(batcher.search(f"q{number}", 5 if number == 2 else 3) for number in range(6)))

    asyncio.run(run())
    assert searcher.calls == [(["q0", "q1"], 3), (["q2"], 5), (["q3", "q4"], 3), (["q5"], 3)]


def test_the_queries_of_one_call_keep_their_order() -> None:
    searcher = Recording()
    batcher = Batcher(searcher, 2, inline=True)
    assert asyncio.run(batcher.search_all(["c", "a", "b"], 1)) == [hits_of(query, 1) for query in "cab"]
    assert asyncio.run(batcher.search_all([], 1)) == []


def test_new_searches_are_collected_while_a_batch_is_searched() -> None:
    searcher = Gated()

    async def run() -> None:
        batcher = Batcher(searcher, 8)
        first = asyncio.create_task(batcher.search("first", 1))
        await started(searcher)
        others = [asyncio.create_task(batcher.search(query, 1)) for query in ("second", "third")]
        await asyncio.sleep(0)
        assert batcher.waiting() == 2
        searcher.gate.set()
        await asyncio.gather(first, *others)
        assert batcher.waiting() == 0

    asyncio.run(run())
    assert [queries for queries, _ in searcher.calls] == [["first"], ["second", "third"]]


def test_several_batches_are_searched_at_once_with_at_once() -> None:
    searcher = Gated()

    async def run() -> None:
        batcher = Batcher(searcher, 1, at_once=2)
        tasks = [asyncio.create_task(batcher.search(query, 1)) for query in "abc"]
        await started(searcher)
        await started(searcher)
        assert batcher.waiting() == 1
        searcher.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert len(searcher.calls) == 3


@inline_or_not
@pytest.mark.parametrize("at_once", [1, 3])
def test_a_search_that_fails_fails_for_its_own_caller_only(inline: bool, at_once: int) -> None:
    found = asyncio.run(ask_all(Batcher(Picky(), 8, inline, at_once), ["a", "bad one", "b", "bad two"]))
    assert [found[0], found[2]] == [hits_of("a", 2), hits_of("b", 2)]
    assert [(type(found[place]), str(found[place])) for place in (1, 3)] == [
        (SearchError, "no bad one"),
        (SearchError, "no bad two"),
    ]


def test_a_call_with_a_bad_query_fails_and_leaves_no_exception_unretrieved(
    caplog: pytest.LogCaptureFixture,
) -> None:
    batcher = Batcher(Picky(), 2, inline=True)
    with pytest.raises(SearchError, match="no bad one"):
        asyncio.run(batcher.search_all(["a", "bad one", "bad two", "b"], 1))
    gc.collect()
    assert not caplog.records


def test_too_few_answers_are_an_error_not_a_wait_for_ever() -> None:
    found = asyncio.run(asyncio.wait_for(ask_all(Batcher(Short(), 8, inline=True), ["a", "b"]), LONG))
    assert [type(one) for one in found] == [ValueError, ValueError]


def test_a_caller_who_gives_up_while_waiting_is_not_searched_for() -> None:
    searcher = Gated()

    async def run() -> list[Hit]:
        batcher = Batcher(searcher, 8)
        first = asyncio.create_task(batcher.search("first", 1))
        await started(searcher)
        impatient, patient = (
            asyncio.create_task(batcher.search(query, 1)) for query in ("impatient", "patient")
        )
        await asyncio.sleep(0)
        impatient.cancel()
        searcher.gate.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return await patient

    assert asyncio.run(run()) == hits_of("patient", 1)
    assert [queries for queries, _ in searcher.calls] == [["first"], ["patient"]]


def test_a_caller_who_gives_up_during_the_search_does_not_break_the_batch() -> None:
    searcher = Gated()

    async def run() -> list[Hit]:
        batcher = Batcher(searcher, 8)
        impatient, patient = (
            asyncio.create_task(batcher.search(query, 1)) for query in ("impatient", "patient")
        )
        await started(searcher)
        impatient.cancel()
        await asyncio.sleep(0)
        searcher.gate.set()
        return await patient

    assert asyncio.run(run()) == hits_of("patient", 1)


@inline_or_not
def test_one_batcher_serves_event_loops_one_after_the_other(inline: bool) -> None:
    batcher = Batcher(Recording(), 8, inline)
    for query in "abc":
        assert asyncio.run(batcher.search(query, 1)) == hits_of(query, 1)


def test_a_loop_that_ends_amid_a_search_leaves_the_next_one_alone() -> None:
    searcher = Gated()
    batcher = Batcher(searcher, 8)

    async def give_up() -> None:
        task = asyncio.create_task(batcher.search("lost", 1))
        await started(searcher)
        assert not task.done()

    asyncio.run(give_up())
    searcher.gate.set()
    assert asyncio.run(batcher.search("a", 1)) == hits_of("a", 1)


def test_one_batcher_serves_several_event_loops_at_once() -> None:
    batcher, found = Batcher(Recording(), 8), dict[str, list[Hit]]()

    def ask(query: str) -> None:
        for _ in range(20):
            found[query] = asyncio.run(batcher.search(query, 1))

    threads = [threading.Thread(target=ask, args=(query,)) for query in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert found == {query: hits_of(query, 1) for query in "abcd"}


def test_a_finished_loop_is_released() -> None:
    batcher = Batcher(Recording(), 8, inline=True)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(batcher.search("a", 1))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_other_tasks_run_between_inline_batches() -> None:
    searcher = Recording()
    seen: list[int] = []

    async def watch() -> None:
        while len(searcher.calls) < 5:
            seen.append(len(searcher.calls))
            await asyncio.sleep(0)

    async def run() -> None:
        batcher = Batcher(searcher, 1, inline=True)
        await asyncio.gather(watch(), ask_all(batcher, "abcde"))

    asyncio.run(run())
    assert {1, 2, 3, 4} <= set(seen)
