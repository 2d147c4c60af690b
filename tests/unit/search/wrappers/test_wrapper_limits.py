"""Rate limits, concurrency limits and retries: many searches at once, cancelled searches, injected clocks."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from kit.search_fakes import PASSAGES, Counting

from masksearch.errors import SearchUnavailableError
from masksearch.search import Bm25Searcher
from masksearch.search.batching import SEARCH_THREADS, in_thread
from masksearch.search.wrappers.limited import Limited
from masksearch.search.wrappers.retrying import LONGEST_PAUSE, PATIENCE, Retrying
from masksearch.types import Hit

EXPECTED = Bm25Searcher.in_memory(PASSAGES).search(["radium", "river"], 5)


class Remote(Counting):
    """Waits in the thread pool of searches, and counts the searches that run at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.now, self.most, self.done = threading.Lock(), 0, 0, 0

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.001)
        with self.lock:
            self.now -= 1
            self.done += 1
        return [[] for _ in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        return (await in_thread(self.search, [query], k))[0]


class Clock:
    """A clock that advances only during `sleep` and `asleep`."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


def test_more_searches_may_wait_than_there_are_threads() -> None:
    inner = Remote()
    searcher = Limited(inner, concurrency=2)

    async def many() -> None:
        await asyncio.wait_for(
            asyncio.gather(*(searcher.asearch("radium", 5) for _ in range(3 * SEARCH_THREADS))), 60
        )

    asyncio.run(many())
    assert (inner.done, inner.most) == (3 * SEARCH_THREADS, 2)


def test_threads_and_loops_share_the_places() -> None:
    inner = Remote()
    searcher = Limited(inner, concurrency=3)

    async def some() -> None:
        await asyncio.gather(*(searcher.asearch("radium", 5) for _ in range(10)))

    threads = [threading.Thread(target=lambda: asyncio.run(some())) for _ in range(3)]
    threads += [threading.Thread(target=lambda: searcher.search(["radium"] * 10, 5)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (inner.done, inner.most, inner.now) == (60, 3, 0)


def test_a_cancelled_search_frees_its_place() -> None:
    class Prompt(Remote):
        """Stops at once when it is cancelled, which a thread cannot."""

        async def asearch(self, query: str, k: int) -> list[Hit]:
            await asyncio.sleep(0.001)
            return []

    inner = Prompt()
    searcher = Limited(inner, concurrency=2)

    async def given_up() -> None:
        tasks = [asyncio.create_task(searcher.asearch("radium", 5)) for _ in range(20)]
        for _ in range(3):
            await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    for _ in range(5):
        asyncio.run(given_up())
    threads = [
        threading.Thread(target=searcher.search, args=(["radium"] * 20, 5), daemon=True) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert inner.most == 2


def test_a_place_received_during_cancellation_is_passed_on() -> None:
    searcher = Limited(Counting(), concurrency=1)
    order: list[str] = []

    async def wait(name: str) -> None:
        async with searcher._aturn():
            order.append(name)

    async def scene() -> None:
        async with searcher._aturn():
            late, last = (asyncio.create_task(wait(name)) for name in ("late", "last"))
            await asyncio.sleep(0.01)
        late.cancel()  # it has received its place but has not run yet
        with contextlib.suppress(asyncio.CancelledError):
            await late
        await asyncio.wait_for(last, 60)

    asyncio.run(scene())
    assert order == ["last"]


def test_a_process_ends_while_searches_are_waiting() -> None:
    code = """
import asyncio
from masksearch.search.wrappers.limited import Limited
class Slow:
    fingerprint = "slow"
    def search(self, queries, k): return [[] for _ in queries]
    async def asearch(self, query, k): await asyncio.sleep(60)
async def main():
    searcher = Limited(Slow(), concurrency=1)
    tasks = [asyncio.create_task(searcher.asearch("x", 1)) for _ in range(5)]
    await asyncio.sleep(0.05)
asyncio.run(main())
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "ended\n"


def test_searches_are_evenly_spaced_without_bursts_after_idle_time() -> None:
    clock = Clock()
    searcher = Limited(Counting(), rate=4, clock=clock, sleep=clock.sleep, asleep=clock.asleep)
    searcher.search(["radium"] * 3, 5)

    async def more() -> None:
        await asyncio.gather(*(searcher.asearch("radium", 5) for _ in range(2)))

    asyncio.run(more())
    assert clock.slept == pytest.approx([0.25] * 4)
    clock.time += 100
    clock.slept.clear()
    searcher.search(["radium"] * 2, 5)
    assert clock.slept == pytest.approx([0.25])


def test_a_cancelled_search_uses_no_start_time() -> None:
    clock = Clock()
    held: list[asyncio.Event] = []

    async def hold(seconds: float) -> None:
        held.append(asyncio.Event())
        await held[-1].wait()
        clock.sleep(seconds)

    searcher = Limited(Counting(), rate=1, clock=clock, sleep=clock.sleep, asleep=hold)
    searcher.search(["radium"], 5)

    async def given_up() -> None:
        tasks = [asyncio.create_task(searcher.asearch("radium", 5)) for _ in range(50)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(given_up())
    assert len(held) == 1
    searcher.search(["radium"], 5)
    assert clock.slept == pytest.approx([1.0])


def test_a_pickled_limit_starts_afresh() -> None:
    searcher = Limited(Bm25Searcher.in_memory(PASSAGES), rate=1000, concurrency=1)
    with searcher._turn():
        assert pickle.loads(pickle.dumps(searcher)).search(["radium"], 5) == EXPECTED[:1]


def attempts(
    failures: list[Exception], retries: int, queries: list[str]
) -> tuple[Counting, list[float], str]:
    """Returns the inner searcher with its calls, the pauses, and the message of the failure ("" without
    one)."""
    clock, inner = Clock(), Counting(failures)
    searcher = Retrying(inner, retries, sleep=clock.sleep, asleep=clock.asleep)
    try:
        assert searcher.search(queries, 5) == EXPECTED[: len(queries)]
    except SearchUnavailableError as error:
        return inner, clock.slept, str(error)
    return inner, clock.slept, ""


def test_pauses_grow_at_random_between_half_a_second_and_thirty() -> None:
    slept = [attempts([SearchUnavailableError("busy")] * 12, 12, ["radium"])[1] for _ in range(20)]
    for number in range(12):
        pauses = [one[number] for one in slept]
        assert 0.5 <= min(pauses) <= max(pauses) <= min(LONGEST_PAUSE, 2**number)
        assert len(set(pauses)) > 1


def test_requested_pauses_are_made_except_pauses_of_zero() -> None:
    assert attempts(
        [SearchUnavailableError("busy", 7.0), SearchUnavailableError("busy", PATIENCE)], 3, ["radium"]
    )[1] == [7.0, PATIENCE]
    assert attempts([SearchUnavailableError("busy", 0.0)], 3, ["radium"])[1][0] >= 0.5
    inner, slept, message = attempts([SearchUnavailableError("Busy.", PATIENCE + 1)], 3, ["radium", "river"])
    assert (len(inner.asked), slept) == (1, [])
    assert message == "Busy. (It asks for a pause of 61 s, which is longer than the limit of 60 s.)"


@pytest.mark.parametrize("queries", [["radium"], ["radium", "river"]])
@pytest.mark.parametrize(
    ("retries", "expected"), [(0, "Busy. (Tried 1 time.)"), (3, "Busy. (Tried 4 times.)")]
)
def test_number_of_attempts(queries: list[str], retries: int, expected: str) -> None:
    inner, slept, message = attempts([SearchUnavailableError("Busy.")] * 20, retries, queries)
    assert message == expected
    assert len(inner.asked) == 1 + retries
    assert len(slept) == retries


def test_after_a_failed_batch_each_query_has_its_own_retries() -> None:
    inner, slept, message = attempts([SearchUnavailableError("busy")] * 2, 2, ["radium", "river"])
    assert (message, len(slept)) == ("", 2)
    assert [queries for queries, _ in inner.asked] == [["radium", "river"], ["radium"], ["radium"], ["river"]]


def test_asearch_pauses_too() -> None:
    clock: Any = Clock()
    searcher = Retrying(
        Counting([SearchUnavailableError("busy", 3.0)] * 2), 2, sleep=clock.sleep, asleep=clock.asleep
    )
    assert asyncio.run(searcher.asearch("radium", 5)) == EXPECTED[0]
    assert clock.slept == [3.0, 3.0]
