"""Worker processes of this machine: started fresh, limited to one thread each, and ended with their parent.

A worker that waits for work reads from a pipe. Its siblings hold the other end of the pipe open, so the
worker does not notice when the parent is killed. Therefore each worker has a thread that watches the parent,
and ends with it. Workers ignore Ctrl-C: it ends the parent, and the parent ends the workers.
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
"""Environment variables that limit the numeric libraries of a worker to one thread."""

# Workers are spawned, not forked, so that they inherit neither threads nor open files of this process.
_SPAWN = multiprocessing.get_context("spawn")


@contextlib.contextmanager
def worker_pool(
    workers: int, initialise: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """Yields a pool of `workers` processes, each of which first calls `initialise(*arguments)`.

    Jobs that have not started when the block ends are cancelled. Raises MaskSearchError if a process dies.
    """
    pool = ProcessPoolExecutor(workers, _SPAWN, _start, (initialise, arguments))
    before = set(multiprocessing.active_children())
    try:
        # The pool starts its processes only when jobs arrive, so the environment must stay set for the whole
        # block.
        with _one_thread_each():
            yield pool
    except BaseException as error:
        # Running jobs need not finish: every job writes its file completely or not at all.
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise worker_died(workers) from error
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def connected_workers(
    work: Callable[[Connection, Any], None], arguments: Sequence[Any]
) -> Iterator[list[Connection]]:
    """Starts one process per argument, which runs `work(connection, argument)`. Yields this
    process's end of each connection.

    When the block ends, the processes are joined; if it ends with an error, they are terminated first. If a
    process has died, reading its connection raises EOFError and writing to it raises OSError.
    """
    connections: list[Connection] = []
    processes = []
    try:
        with _one_thread_each():
            for argument in arguments:
                ours, theirs = _SPAWN.Pipe()
                process = _SPAWN.Process(target=_start_connected, args=(work, theirs, argument), daemon=True)
                processes.append(process)
                process.start()
                # While this process holds the other end open too, it cannot see that the worker has died.
                theirs.close()
                connections.append(ours)
        yield connections
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join()


def worker_died(workers: int) -> MaskSearchError:
    """Returns the error to raise when one of `workers` processes has died."""
    return MaskSearchError(
        f"One of {workers} worker processes died, often for lack of memory. Start the same command again to "
        "resume, with fewer --workers if it happens again."
    )


def _start_connected(work: Callable[[Connection, Any], None], connection: Connection, argument: Any) -> None:
    _start(None, ())
    work(connection, argument)


def _start(initialise: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """Prepares a worker process before its first job.

    The worker ignores Ctrl-C, watches its parent in a thread, and then calls `initialise(*arguments)`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initialise is not None:
        initialise(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Sets the variables of `ONE_THREAD` to 1 during a block. Processes started in the block inherit them."""
    saved = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
