"""Batches concurrent searches, because encoders, threads and servers need hardly more time for many queries
than for a single query."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeVar

from masksearch.protocols import Searcher
from masksearch.types import Hit

T = TypeVar("T")
SEARCH_THREADS = 64
"""Number of threads for searches that wait for the network. The threads keep the event loop free. asyncio's
default pool has only six threads on two cores."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(SEARCH_THREADS, "search")


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function in the thread pool of searches."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), partial(function, *arguments))


Observer = Callable[[int], None]
"""Receives the size of each batch."""


@dataclass(frozen=True)
class _Pending:
    query: str
    answer: asyncio.Future[list[Hit]]


@dataclass
class _Queue:
    """The pending searches of one event loop. Searches with the same k wait in one lane, and the lanes take
    turns."""

    lanes: dict[int, deque[_Pending]] = field(default_factory=dict)
    """k -> the lane of the pending searches with this k, oldest first. The next batch is taken from the first
    lane."""
    waiting: int = 0
    workers: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, k: int, pending: Sequence[_Pending]) -> None:
        self.lanes.setdefault(k, deque()).extend(pending)
        self.waiting += len(pending)

    def take(self, size: int) -> tuple[int, list[_Pending]]:
        """Removes up to `size` searches with the same k, oldest first; returns k and the searches that are
        still awaited."""
        batch: list[_Pending] = []
        k = next(iter(self.lanes), 0)
        lane = self.lanes.pop(k, deque())
        while lane and len(batch) < size:
            search = lane.popleft()
            self.waiting -= 1
            if not search.answer.done():
                batch.append(search)
        if lane:
            self.lanes[k] = lane  # Added at the end, so that other lanes come first.
        return k, batch


class Batcher:
    """Collects the searches of an event loop into batches.

    While one batch is searched, the next one fills. A batch has at most `size` queries. With `inline` the
    search runs on the event loop; this suits a search that takes less than a millisecond, because a thread
    would only compete for the interpreter. Otherwise up to `at_once` batches are searched in threads.
    `observe` is called with the size of each batch. One batcher serves any number of event loops, one after
    another or at once.
    """

    def __init__(
        self,
        searcher: Searcher,
        size: int,
        inline: bool = False,
        at_once: int = 1,
        observe: Observer | None = None,
    ) -> None:
        self._searcher, self._size, self._inline = searcher, size, inline
        self._at_once, self._observe = at_once, observe
        self._queues: dict[asyncio.AbstractEventLoop, _Queue] = {}
        """Event loop -> its queue, for loops with pending or running searches only."""

    async def search(self, query: str, k: int) -> list[Hit]:
        """Searches one query (see `Searcher.asearch`). Errors of other queries in the batch are not
        raised."""
        return (await self.search_all([query], k))[0]

    async def search_all(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches several queries (see `Searcher.search`), batched with those of other callers.

        Raises the error of the first of these queries that fails.
        """
        loop = asyncio.get_running_loop()
        queue = self._queues.setdefault(loop, _Queue())
        searches = [_Pending(query, loop.create_future()) for query in queries]
        queue.add(k, searches)
        # A finished worker stays in the set until its callback runs, so only unfinished workers are
        # counted.
        if sum(not worker.done() for worker in queue.workers) < self._at_once:
            worker = loop.create_task(self._work(queue))
            queue.workers.add(worker)
            worker.add_done_callback(lambda done: self._leave(loop, queue, done))
        try:
            return [await search.answer for search in searches]
        finally:
            for search in searches:
                # Cancels searches without an answer. Retrieves the exceptions of all other searches,
                # because asyncio would otherwise log a second failure as never retrieved.
                if not search.answer.cancel() and not search.answer.cancelled():
                    search.answer.exception()

    def waiting(self) -> int:
        """Returns the number of searches that wait on the running event loop."""
        queue = self._queues.get(asyncio.get_running_loop())
        return queue.waiting if queue else 0

    def _leave(self, loop: asyncio.AbstractEventLoop, queue: _Queue, worker: asyncio.Task[None]) -> None:
        queue.workers.discard(worker)
        if not queue.workers:
            self._queues.pop(loop, None)

    async def _work(self, queue: _Queue) -> None:
        while queue.waiting:
            # Lets other tasks run: callers that are ready join this batch, and answered callers continue.
            await asyncio.sleep(0)
            k, batch = queue.take(self._size)
            if batch:
                if self._observe is not None:
                    self._observe(len(batch))
                await self._answer(k, batch)

    async def _answer(self, k: int, batch: Sequence[_Pending]) -> None:
        try:
            found = await self._search([search.query for search in batch], k)
            answers = list(zip(batch, found, strict=True))
        except Exception as error:
            await self._failed(k, batch, error)
            return
        for search, hits in answers:
            if not search.answer.done():
                search.answer.set_result(hits)

    async def _failed(self, k: int, batch: Sequence[_Pending], error: Exception) -> None:
        """Searches each query of a failed batch alone, so that only the failing query raises."""
        if len(batch) == 1:
            if not batch[0].answer.done():
                batch[0].answer.set_exception(error)
        elif self._at_once > 1:
            await asyncio.gather(*(self._answer(k, [search]) for search in batch))
        else:
            for search in batch:
                await self._answer(k, [search])

    async def _search(self, queries: list[str], k: int) -> list[list[Hit]]:
        if self._inline:
            return self._searcher.search(queries, k)
        return await in_thread(self._searcher.search, queries, k)
