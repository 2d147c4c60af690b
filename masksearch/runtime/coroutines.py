"""Runs a coroutine to its end from synchronous code, also where an event loop runs already.

`asyncio.run` refuses to start in a thread with a running loop: a notebook's cell, a web handler. There the
coroutine runs in a thread of its own, with its own loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]
POLL = 0.2
"""Seconds after which a wait starts again. On Windows a wait without an end ignores Ctrl-C."""


def run_coroutine(coroutine: Coroutine[Any, Any, T], loop_factory: LoopFactory | None = None) -> T:
    """Runs a coroutine to its end and returns its result.

    If the calling thread has a running event loop, the coroutine runs in a new thread with a loop of its own
    and with the caller's context variables; the caller's loop is blocked meanwhile. A KeyboardInterrupt
    cancels the coroutine; it is raised again when the coroutine has ended. `loop_factory` makes the loop.
    """
    if not _in_running_loop():
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(coroutine)
    thread = _LoopThread(coroutine, loop_factory)
    thread.start()
    result: T = thread.result()
    return result


def _in_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _LoopThread(threading.Thread):
    """A thread with an event loop that runs one coroutine."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], loop_factory: LoopFactory | None) -> None:
        super().__init__(name="masksearch-coroutine", daemon=True)
        self._coroutine, self._loop_factory = coroutine, loop_factory
        self._context = contextvars.copy_context()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._ended = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                self._value = runner.run(self._main(), context=self._context)
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    async def _main(self) -> Any:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._cancelled:
            self._coroutine.close()
            raise asyncio.CancelledError
        return await self._coroutine

    def result(self) -> Any:
        """Waits for the coroutine and returns its result, or raises its error."""
        try:
            self._wait()
        except KeyboardInterrupt:
            # A second interrupt ends this wait at once, as in `asyncio.run`.
            self._cancel()
            self._wait()
            raise
        if self._error is not None:
            raise self._error
        return self._value

    def _wait(self) -> None:
        while not self._ended.wait(POLL):
            pass

    def _cancel(self) -> None:
        self._cancelled = True
        if self._loop is not None and self._task is not None and not self._ended.is_set():
            try:
                self._loop.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:  # the loop has closed since
                return
