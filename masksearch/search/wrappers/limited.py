"""Not more searches than a back end allows: so many a second, so many at a time, over all threads and event loops of this process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from masksearch.protocols import Searcher
from masksearch.search.threads import in_thread
from masksearch.search.wrappers.base import Wrapper
from masksearch.types import Hit, Page


class Limited(Wrapper):
    """Begins at most `rate` searches a second, evenly spaced, and has at most `concurrency` under way; 0: any number. An opened page is a search."""

    def __init__(self, inner: Searcher, rate: float = 0.0, concurrency: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(inner)
        self.rate, self.concurrency, self._clock = rate, concurrency, clock
        self._start()

    def _start(self) -> None:
        self._lock, self._next = threading.Lock(), 0.0
        self._room = threading.Semaphore(self.concurrency) if self.concurrency else None

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`; the queries one after the other."""
        found = []
        for query in queries:
            with self._turn():
                found += self.inner.search([query], k)
        return found

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`."""
        async with self._aturn():
            return await self.inner.asearch(query, k)

    def _page(self, title: str) -> Page | None:
        with self._turn():
            return self.pages.page(title)

    async def _apage(self, title: str) -> Page | None:
        async with self._aturn():
            return await self.pages.apage(title)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        with self._room or contextlib.nullcontext():
            pause = self._reserve()
            if pause > 0:
                time.sleep(pause)
            yield

    @contextlib.asynccontextmanager
    async def _aturn(self) -> AsyncIterator[None]:
        # A semaphore of asyncio belongs to one event loop; this one is shared, and is waited for in a thread.
        if self._room is not None and not self._room.acquire(blocking=False):
            await in_thread(self._room.acquire)
        try:
            pause = self._reserve()
            if pause > 0:
                await asyncio.sleep(pause)
            yield
        finally:
            if self._room is not None:
                self._room.release()

    def _reserve(self) -> float:
        """Takes the next place in time; returns the seconds until then."""
        if not self.rate:
            return 0.0
        with self._lock:
            now = self._clock()
            place = max(now, self._next)
            self._next = place + 1 / self.rate
            return place - now

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in super().__getstate__().items() if name not in ("_lock", "_room", "_next")}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self._start()
