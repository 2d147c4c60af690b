"""The same per-task function in several processes of one machine, for endpoints that answer more than one process can ask.

Tasks are dealt one by one, as a process takes them up, so that all end together. Outcomes, limits and the log are the parent's alone.

    parent  -- a task, ALL (there are no more) or STOP (begin no further one) -->  process
    parent  <-- MORE (one was taken up), the row of an outcome, or _Ended  -------  process
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from masksearch.errors import MaskSearchError
from masksearch.llm.cost import Purse
from masksearch.runtime.workers import died, talking_workers
from masksearch.synthesis.agents.scheduler import Outcome, Row, at_a_time, opened, spent_of, teach_all
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task

AHEAD = 4
"""Tasks that lie ready in each process beside those it works, so that none waits for the parent."""
ALL, STOP, MORE = "all", "stop", "more"


@dataclass(frozen=True)
class _Ended:
    """The last word of a process: why tasks are left, or what the run cannot go on after."""

    error: str = ""
    refused: MaskSearchError | None = None


def teach_in_processes(
    tasks: Sequence[Task], settings: SynthesizeSettings, purse: Purse, on_done: Callable[[Row], bool]
) -> str:
    """As `teach_all`, in `settings.workers` processes that each open the index. Raises as it does; MaskSearchError where a process dies."""
    count = min(settings.workers, settings.concurrency, len(tasks))
    # Shares differ by one where they must: what is in flight is bounded in all.
    shares = [
        settings.concurrency // count + (place < settings.concurrency % count) for place in range(count)
    ]
    with talking_workers(
        _work, [settings.model_copy(update={"workers": 1, "concurrency": share}) for share in shares]
    ) as workers:
        parent = _Parent(workers, iter(tasks), at_a_time(shares[0]) + AHEAD)
        try:
            return parent.collect(purse, on_done)
        finally:
            parent.close()


class _Parent:
    """Deals tasks, and takes what becomes of them."""

    def __init__(self, workers: Sequence[Connection], waiting: Iterator[Task], each: int) -> None:
        self.count, self.running = len(workers), set(workers)
        self.boxes = {worker: outbox(worker) for worker in workers}
        self.waiting, self.left, self.stopped = waiting, True, False
        for _ in range(each):
            for worker in workers:
                self._deal(worker)

    def collect(self, purse: Purse, on_done: Callable[[Row], bool]) -> str:
        """Until all processes have ended, whatever fails in one: what others have finished is paid for, and goes on record."""
        wanted, errors = True, [""]
        refused: MaskSearchError | None = None
        while self.running:
            for worker in wait(list(self.running)):
                assert isinstance(worker, Connection)
                said = self._hear(worker)
                if said == MORE:
                    self._deal(worker)
                elif isinstance(said, _Ended):
                    self.running.discard(worker)
                    errors.append(said.error)
                    refused = said.refused or refused
                    # A process that ends while there is work has met an outage, or a refusal: the others need not find out for themselves.
                    self._stop(said.refused is not None or self.left)
                else:
                    purse.add(spent_of(said))
                    wanted = on_done(said) and wanted
                    self._stop(not wanted or purse.empty())
        if refused is not None:
            raise refused
        return purse.told() if purse.empty() and wanted else max(errors, key=bool)

    def close(self) -> None:
        """Ends the sending."""
        for box in self.boxes.values():
            box.put(None)

    def _hear(self, worker: Connection) -> Any:
        try:
            return worker.recv()
        except (EOFError, ConnectionError) as error:
            raise died(self.count) from error

    def _deal(self, worker: Connection) -> None:
        task = None if self.stopped else next(self.waiting, None)
        self.left = self.left and (task is not None or self.stopped)
        self.boxes[worker].put(ALL if task is None else task)

    def _stop(self, so: bool) -> None:
        """What is under way still comes to its end."""
        if so and not self.stopped:
            self.stopped = True
            for worker in self.running:
                self.boxes[worker].put(STOP)


def outbox(worker: Connection) -> queue.SimpleQueue[object]:
    """What is put into it is sent to a process, as fast as that takes it, up to None: whoever puts never waits, so two that send to each other cannot block."""
    box: queue.SimpleQueue[object] = queue.SimpleQueue()

    def send() -> None:
        # A process that has ended meanwhile has said so, or its connection says it when it is read.
        with contextlib.suppress(OSError):
            while (message := box.get()) is not None:
                worker.send(message)

    threading.Thread(target=send, daemon=True).start()
    return box


class _Dealt:
    """The tasks of one process, as the parent deals them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.queue: asyncio.Queue[Task | None] = asyncio.Queue()
        # A thread, and no reader of the event loop: uvloop's would make the connection one that fails where it would have to wait.
        threading.Thread(target=self._receive, args=(asyncio.get_running_loop(),), daemon=True).start()

    def __aiter__(self) -> _Dealt:
        return self

    async def __anext__(self) -> Task:
        task = await self.queue.get()
        if task is None:
            self.queue.put_nowait(None)  # for whoever else waits
            raise StopAsyncIteration
        self.connection.send(MORE)
        return task

    def _receive(self, loop: asyncio.AbstractEventLoop) -> None:
        # At its end the parent is gone, and with it soon this process (masksearch.runtime.workers), or this process has closed it.
        with contextlib.suppress(EOFError, OSError, RuntimeError):
            while True:
                loop.call_soon_threadsafe(self._take, self.connection.recv())

    def _take(self, message: Any) -> None:
        if message == STOP:
            while not self.queue.empty():
                self.queue.get_nowait()
        self.queue.put_nowait(None if message in (ALL, STOP) else message)


def _fast(main: Callable[[], Coroutine[Any, Any, str]]) -> str:
    """Runs it as this process, which does nothing else, does it with the least of a core: about a quarter less (docs/log.md)."""
    # Nothing of what is loaded is garbage, and what a task leaves behind has few cycles.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    loop = importlib.import_module("uvloop").new_event_loop if importlib.util.find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


def _work(connection: Connection, settings: SynthesizeSettings) -> None:
    """One process, from the opening of the index to its last word."""
    from masksearch.search import open_searcher

    def done(outcome: Outcome) -> bool:
        connection.send(outcome.to_json())
        return True

    async def teach() -> str:
        async with opened(settings, searcher) as teacher:
            return await teach_all(teacher, _Dealt(connection), Purse(), done)

    try:
        searcher = open_searcher(settings.index, settings.search)
        ended = _Ended(_fast(teach))
    except MaskSearchError as error:
        ended = _Ended(refused=error)
    with contextlib.suppress(OSError):
        connection.send(ended)
