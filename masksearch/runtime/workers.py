"""Worker processes: started fresh, one thread each, and never left behind.

A worker that waits for work does not notice that its parent was killed: the pipe it reads from is held open by its siblings. So each one
watches its parent and ends with it. Ctrl-C ends the parent, which ends the workers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any

from masksearch.errors import MaskSearchError

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@contextlib.contextmanager
def worker_pool(
    workers: int, prepare: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of so many processes, each of which first calls `prepare(*arguments)`; what is not begun when the block ends is given up.

    Raises MaskSearchError where a process dies.
    """
    # Started fresh, not forked: threads and open files of this process must not be inherited.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start, (prepare, arguments))
    before = set(multiprocessing.active_children())
    try:
        # Processes are started when work arrives, with the environment of that moment.
        with _environment(dict.fromkeys(ONE_THREAD, "1")):
            yield pool
    except BaseException as error:
        # What is under way is not waited for: it is written whole or not at all.
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise died(workers) from error
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def talking_workers(
    work: Callable[[Connection, Any], None], arguments: Sequence[Any]
) -> Iterator[list[Connection]]:
    """A process for each argument that runs `work(connection, argument)`, and the other ends of their connections; ended when the block ends.

    A process that has died shows as EOFError where its connection is read, and OSError where it is written to.
    """
    context = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    processes = []
    try:
        with _environment(dict.fromkeys(ONE_THREAD, "1")):
            for argument in arguments:
                here, there = context.Pipe()
                processes.append(
                    context.Process(target=_start_talking, args=(work, there, argument), daemon=True)
                )
                processes[-1].start()
                # Closed on this side, or the end of the process would not show.
                there.close()
                ends.append(here)
        yield ends
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for end in ends:
            end.close()
        for process in processes:
            process.join()


def died(workers: int) -> MaskSearchError:
    """What is said of a worker process that is gone."""
    return MaskSearchError(
        f"One of {workers} worker processes was ended from outside, often for lack of memory; start the same command again to go on, "
        "with fewer --workers if it happens again."
    )


def _start_talking(work: Callable[[Connection, Any], None], connection: Connection, argument: Any) -> None:
    _start(None, ())
    work(connection, argument)


def _start(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the time of a block."""
    saved = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
