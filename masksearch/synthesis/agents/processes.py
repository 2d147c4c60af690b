"""The teacher `agents` in several processes, for endpoints that answer faster than one process can ask.

Whenever a process takes a task from its queue, the parent sends it the next one, so that all processes finish
at about the same time. Only the parent records outcomes, checks limits and writes the log.

    parent  -- a task, ALL (no task is left) or STOP (start no further task) -->  process
    parent  <-- MORE (a task was taken), the row of an outcome, or _Ended  -----  process
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
from masksearch.llm.cost import Budget
from masksearch.runtime.coroutines import run_coroutine
from masksearch.runtime.workers import connected_workers, worker_died
from masksearch.synthesis.agents.scheduler import Outcome, Row, at_a_time, opened, spent_of, teach_all
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task

AHEAD = 4
"""Number of tasks queued in each process, besides those it works on, so that it never waits for tasks."""
ALL, STOP, MORE = "all", "stop", "more"


@dataclass(frozen=True)
class _Ended:
    """The last message of a process.

    `error` is the reason why tasks are left. `refused` is the error that the parent raises.
    """

    error: str = ""
    refused: MaskSearchError | None = None


def teach_in_processes(
    tasks: Sequence[Task], settings: SynthesizeSettings, budget: Budget, on_done: Callable[[Row], bool]
) -> str:
    """Teaches tasks in `settings.workers` processes that each open the index (see `teach_all`).

    Returns the reason why tasks are left, or an empty string. Raises the errors of `teach_all`, and
    MaskSearchError if a process dies.
    """
    count = min(settings.workers, settings.concurrency, len(tasks))
    # `concurrency` bounds the requests in flight of all processes together, so it is divided among them.
    shares = [
        settings.concurrency // count + (place < settings.concurrency % count) for place in range(count)
    ]
    each = [settings.model_copy(update={"workers": 1, "concurrency": share}) for share in shares]
    with connected_workers(_work, each) as workers:
        parent = _Parent(workers, iter(tasks), at_a_time(shares[0]) + AHEAD)
        try:
            return parent.collect(budget, on_done)
        finally:
            parent.close()


class _Parent:
    """Deals tasks to the processes and collects their outcomes."""

    def __init__(self, workers: Sequence[Connection], waiting: Iterator[Task], each: int) -> None:
        """Sends `each` tasks of `waiting` to each process; `workers` are the connections to them."""
        self.count, self.running = len(workers), set(workers)
        self.boxes = {worker: outbox(worker) for worker in workers}
        self.waiting, self.stopped = waiting, False
        self.left = True
        """Whether `waiting` may hold tasks that were not sent to a process yet."""
        for _ in range(each):
            for worker in workers:
                self._deal(worker)

    def collect(self, budget: Budget, on_done: Callable[[Row], bool]) -> str:
        """Records outcomes until all processes have ended.

        Goes on after the failure of a process, because the tasks of the other processes have been paid for.
        """
        wanted, errors = True, [""]
        refused: MaskSearchError | None = None
        while self.running:
            for worker in wait(list(self.running)):
                assert isinstance(worker, Connection)
                message = self._receive(worker)
                if message == MORE:
                    self._deal(worker)
                elif isinstance(message, _Ended):
                    self.running.discard(worker)
                    errors.append(message.error)
                    refused = message.refused or refused
                    # A process that ends while tasks are left has had an outage or a refusal of the endpoint.
                    # The other processes would have it too.
                    self._stop_if(message.refused is not None or self.left)
                else:
                    budget.add(spent_of(message))
                    wanted = on_done(message) and wanted
                    self._stop_if(not wanted or budget.empty())
        if refused is not None:
            raise refused
        return budget.limit_message() if budget.empty() and wanted else max(errors, key=bool)

    def close(self) -> None:
        """Ends the threads that send messages to the processes (see `outbox`)."""
        for box in self.boxes.values():
            box.put(None)

    def _receive(self, worker: Connection) -> Any:
        try:
            return worker.recv()
        except (EOFError, ConnectionError) as error:
            raise worker_died(self.count) from error

    def _deal(self, worker: Connection) -> None:
        task = None if self.stopped else next(self.waiting, None)
        self.left = self.left and (task is not None or self.stopped)
        self.boxes[worker].put(ALL if task is None else task)

    def _stop_if(self, condition: bool) -> None:
        """Stops the processes from starting tasks if `condition` holds; running tasks still finish."""
        if condition and not self.stopped:
            self.stopped = True
            for worker in self.running:
                self.boxes[worker].put(STOP)


def outbox(worker: Connection) -> queue.SimpleQueue[object]:
    """Returns a queue whose messages a thread sends to a process, as fast as the process reads.

    Putting None into the queue ends the thread. Putting a message never blocks. Otherwise the parent and a
    process that send to each other could deadlock, each waiting for the other to empty a full pipe.
    """
    box: queue.SimpleQueue[object] = queue.SimpleQueue()

    def send() -> None:
        # Sending to an ended process fails. The error is ignored, because the parent learns of the end when
        # it reads the connection.
        with contextlib.suppress(OSError):
            while (message := box.get()) is not None:
                worker.send(message)

    threading.Thread(target=send, daemon=True).start()
    return box


class _DealtTasks:
    """An asynchronous iterator over the tasks that the parent deals to this process."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.queue: asyncio.Queue[Task | None] = asyncio.Queue()
        # The connection is read in a thread instead of the event loop, because uvloop would make it
        # non-blocking, and a send that has to wait would then fail.
        threading.Thread(target=self._receive, args=(asyncio.get_running_loop(),), daemon=True).start()

    def __aiter__(self) -> _DealtTasks:
        return self

    async def __anext__(self) -> Task:
        task = await self.queue.get()
        if task is None:
            self.queue.put_nowait(None)  # puts the message back, so that the other waiting coroutines end too
            raise StopAsyncIteration
        self.connection.send(MORE)
        return task

    def _receive(self, loop: asyncio.AbstractEventLoop) -> None:
        # Reading fails when the parent has ended (this process then ends too: see
        # masksearch.runtime.workers), or when this process has closed the connection.
        with contextlib.suppress(EOFError, OSError, RuntimeError):
            while True:
                loop.call_soon_threadsafe(self._take, self.connection.recv())

    def _take(self, message: Any) -> None:
        if message == STOP:
            while not self.queue.empty():
                self.queue.get_nowait()
        self.queue.put_nowait(None if message in (ALL, STOP) else message)


def _run_fast(main: Callable[[], Coroutine[Any, Any, str]]) -> str:
    """Runs a coroutine as the only work of this process, with about a quarter less CPU time (docs/log.md)."""
    # Garbage collection is made rare: loaded modules are never garbage, and tasks leave few cycles.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    loop = importlib.import_module("uvloop").new_event_loop if importlib.util.find_spec("uvloop") else None
    return run_coroutine(main(), loop)


def _work(connection: Connection, settings: SynthesizeSettings) -> None:
    """Runs in each process: opens the index, teaches the tasks that it gets, and sends `_Ended`."""
    from masksearch.search import open_searcher

    def on_done(outcome: Outcome) -> bool:
        connection.send(outcome.to_json())
        return True

    async def teach() -> str:
        async with opened(settings, searcher) as teacher:
            return await teach_all(teacher, _DealtTasks(connection), Budget(), on_done)

    try:
        searcher = open_searcher(settings.index, settings.search)
        ended = _Ended(_run_fast(teach))
    except MaskSearchError as error:
        ended = _Ended(refused=error)
    with contextlib.suppress(OSError):
        connection.send(ended)
