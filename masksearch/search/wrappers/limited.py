"""Not more searches than a back end allows: so many a second, so many at a time, over all threads and event loops of this process."""

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


class _Room:
    """A semaphore for threads and event loops alike, first come, first served.

    One of asyncio belongs to a single loop. One of threads would have to be waited for in a thread of the pool, where the back end that is to make
    room could then find no place itself, and a wait that is cancelled could not be taken back.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()

    def _ticket(self) -> Future[None]:
        """Done once there is a place, which is then taken."""
        ticket: Future[None] = Future()
        with self._lock:
            if self._free:
                self._free -= 1
                ticket.set_result(None)
            else:
                self._waiting.append(ticket)
        return ticket

    def _leave(self) -> None:
        """Hands the place to the next one that still waits."""
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
        if not ticket.cancel():  # the place has come in the meantime
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
    """Begins at most `rate` searches a second, evenly spaced, and has at most `concurrency` under way; 0: any number. An opened page is a search.

    `clock` gives seconds, `sleep` and `asleep` wait for so many. A copy made by pickling has limits of its own.
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
        self._room = _Room(self.concurrency) if self.concurrency else contextlib.nullcontext()
        self._gate = _Room(1) if self.rate else contextlib.nullcontext()
        """Who is in it waits for the next place in time; who is cancelled there takes none."""
        self._next = 0.0

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
        with self._room:
            with self._gate:
                place, pause = self._place()
                if pause > 0:
                    self._sleep(pause)
                self._begun(place)
            yield

    @contextlib.asynccontextmanager
    async def _aturn(self) -> AsyncIterator[None]:
        async with self._room:
            async with self._gate:
                place, pause = self._place()
                if pause > 0:
                    await self._asleep(pause)
                self._begun(place)
            yield

    def _place(self) -> tuple[float, float]:
        """The next place in time, and the seconds until then."""
        now = self._clock()
        place = max(now, self._next)
        return place, place - now

    def _begun(self, place: float) -> None:
        if self.rate:
            self._next = place + 1 / self.rate

    def __getstate__(self) -> dict[str, object]:
        return {
            name: value
            for name, value in super().__getstate__().items()
            if name not in ("_room", "_gate", "_next")
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self._start()
