"""Searches that are asked at the same time are done together: an encoder, a thread or a server costs hardly more for many than for one."""

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
AT_A_TIME = 64
"""Threads in which searches over a network wait, so that the event loop goes on; the interpreter's own pool has six on two cores."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_A_TIME, "search")


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function in one of the threads that wait for searches."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), partial(function, *arguments))


Observer = Callable[[int], None]


@dataclass(frozen=True)
class _Asked:
    query: str
    answer: asyncio.Future[list[Hit]]


@dataclass
class _Line:
    """What waits on one event loop: the searches with the same k together, those k's first whose turn it is."""

    lanes: dict[int, deque[_Asked]] = field(default_factory=dict)
    waiting: int = 0
    workers: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, k: int, asked: Sequence[_Asked]) -> None:
        self.lanes.setdefault(k, deque()).extend(asked)
        self.waiting += len(asked)

    def take(self, size: int) -> tuple[int, list[_Asked]]:
        """Up to `size` searches with the same k, the longest waiting first; whoever does not wait any more is left out."""
        batch: list[_Asked] = []
        k = next(iter(self.lanes), 0)
        lane = self.lanes.pop(k, deque())
        while lane and len(batch) < size:
            asked = lane.popleft()
            self.waiting -= 1
            if not asked.answer.done():
                batch.append(asked)
        if lane:
            self.lanes[k] = lane  # at the end: other k's have their turn
        return k, batch


class Batcher:
    """Gathers the searches of an event loop; while a batch is searched, the next one gathers. Any number of loops, one after another or at once.

    `size` is the most queries of a batch. `inline` searches on the loop itself, which is right where a search takes less than a millisecond: a thread
    would only compete for the interpreter. Otherwise up to `at_once` batches are searched in threads. `observe` is told the size of each batch.
    """

    def __init__(
        self,
        searcher: Searcher,
        size: int,
        inline: bool = False,
        at_once: int = 1,
        observe: Observer | None = None,
    ) -> None:
        self._searcher, self._size, self._inline, self._at_once, self._observe = (
            searcher,
            size,
            inline,
            at_once,
            observe,
        )
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}
        """Of the loops on which something waits or is searched."""

    async def search(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`. Raises what the search raises for this query; another one's fault does not reach it."""
        return (await self.search_all([query], k))[0]

    async def search_all(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`, together with what others ask meanwhile. Raises what the search raises for the first of these queries that fails."""
        loop = asyncio.get_running_loop()
        line = self._lines.setdefault(loop, _Line())
        asked = [_Asked(query, loop.create_future()) for query in queries]
        line.add(k, asked)
        # One that is done may still stand there: its callback comes later.
        if sum(not worker.done() for worker in line.workers) < self._at_once:
            worker = loop.create_task(self._work(line))
            line.workers.add(worker)
            worker.add_done_callback(lambda done: self._leave(loop, line, done))
        try:
            return [await one.answer for one in asked]
        finally:
            for one in asked:
                # Gives up what is not answered yet; a second failure counts as seen.
                if not one.answer.cancel() and not one.answer.cancelled():
                    one.answer.exception()

    def waiting(self) -> int:
        """How many searches wait for their turn on the running loop."""
        line = self._lines.get(asyncio.get_running_loop())
        return line.waiting if line else 0

    def _leave(self, loop: asyncio.AbstractEventLoop, line: _Line, worker: asyncio.Task[None]) -> None:
        line.workers.discard(worker)
        if not line.workers:
            self._lines.pop(loop, None)

    async def _work(self, line: _Line) -> None:
        while line.waiting:
            await asyncio.sleep(0)  # whoever is ready to ask joins, and whoever has an answer goes on
            k, batch = line.take(self._size)
            if batch:
                if self._observe is not None:
                    self._observe(len(batch))
                await self._answer(k, batch)

    async def _answer(self, k: int, batch: Sequence[_Asked]) -> None:
        try:
            found = await self._search([asked.query for asked in batch], k)
            answers = list(zip(batch, found, strict=True))
        except Exception as error:
            await self._failed(k, batch, error)
            return
        for asked, hits in answers:
            if not asked.answer.done():
                asked.answer.set_result(hits)

    async def _failed(self, k: int, batch: Sequence[_Asked], error: Exception) -> None:
        """Tries each query by itself, so that one cannot fail the others."""
        if len(batch) == 1:
            if not batch[0].answer.done():
                batch[0].answer.set_exception(error)
        elif self._at_once > 1:
            await asyncio.gather(*(self._answer(k, [asked]) for asked in batch))
        else:
            for asked in batch:
                await self._answer(k, [asked])

    async def _search(self, queries: list[str], k: int) -> list[list[Hit]]:
        if self._inline:
            return self._searcher.search(queries, k)
        return await in_thread(self._searcher.search, queries, k)
