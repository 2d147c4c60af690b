"""Limits the rate and the concurrency of searches, over all threads and event loops of this process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future

from masksearch.protocols import Searcher
from masksearch.search.wrappers.base import Wrapper
from masksearch.types import Hit, Page


class _Semaphore:
    """A semaphore for both threads and event loops, first come, first served. Each holder takes one place.

    A semaphore of asyncio belongs to a single event loop. A semaphore of threading would block a thread of
    the pool for each waiting task. The running searches, which must end before a place is free, could then
    find no free thread. Also, a cancelled task could not stop waiting.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()

    def _ticket(self) -> Future[None]:
        """Returns a ticket: a future that is done when its caller has got a free place."""
        ticket: Future[None] = Future()
        with self._lock:
            if self._free:
                self._free -= 1
                ticket.set_result(None)
            else:
                self._waiting.append(ticket)
        return ticket

    def _leave(self) -> None:
        """Passes the caller's place to the first ticket that is not cancelled, or frees the place."""
        with self._lock:
            while self._waiting:
                ticket = self._waiting.popleft()
                if ticket.set_running_or_notify_cancel():
                    break
            else:
                self._free += 1
                return
        ticket.set_result(None)

    def _give_up(self, ticket: Future[None]) -> None:
        if not ticket.cancel():  # the ticket received its place in the meantime
            self._leave()

    def __enter__(self) -> None:
        ticket = self._ticket()
        try:
            ticket.result()
        except BaseException:
            self._give_up(ticket)
            raise

    def __exit__(self, *_: object) -> None:
        self._leave()

    async def __aenter__(self) -> None:
        ticket = self._ticket()
        try:
            if not ticket.done():
                await asyncio.wrap_future(ticket)
        except BaseException:
            self._give_up(ticket)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()


class Limited(Wrapper):
    """Starts at most `rate` searches per second, evenly spaced, and runs at most `concurrency` at the
    same time.

    0 means no limit. Opening a page counts as a search. `clock` returns seconds; `sleep` and `asleep`
    wait for a number of seconds. A pickled copy has its own limits.
    """

    def __init__(
        self,
        inner: Searcher,
        rate: float = 0.0,
        concurrency: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(inner)
        self.rate, self.concurrency = rate, concurrency
        self._clock, self._sleep, self._asleep = clock, sleep, asleep
        self._start()

    def _start(self) -> None:
        self._running = _Semaphore(self.concurrency) if self.concurrency else contextlib.nullcontext()
        self._gate = _Semaphore(1) if self.rate else contextlib.nullcontext()
        """Semaphore that the search waiting for its start time holds. If this search is cancelled, the next
        search gets this start time."""
        self._next = 0.0
        """Earliest start time of the next search, in seconds of `clock`."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches the queries one after the other (see `Searcher.search`)."""
        found = []
        for query in queries:
            with self._turn():
                found += self.inner.search([query], k)
        return found

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Searches one query (see `Searcher.asearch`)."""
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
        with self._running:
            with self._gate:
                start, pause = self._start_time()
                if pause > 0:
                    self._sleep(pause)
                self._started(start)
            yield

    @contextlib.asynccontextmanager
    async def _aturn(self) -> AsyncIterator[None]:
        async with self._running:
            async with self._gate:
                start, pause = self._start_time()
                if pause > 0:
                    await self._asleep(pause)
                self._started(start)
            yield

    def _start_time(self) -> tuple[float, float]:
        """Returns the next start time and the number of seconds until then."""
        now = self._clock()
        start = max(now, self._next)
        return start, start - now

    def _started(self, start: float) -> None:
        if self.rate:
            self._next = start + 1 / self.rate

    def __getstate__(self) -> dict[str, object]:
        return {
            name: value
            for name, value in super().__getstate__().items()
            if name not in ("_running", "_gate", "_next")
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self._start()
