"""Coroutines run to their end in scripts and inside a running event loop; no other module starts a loop."""

from __future__ import annotations

import ast
import asyncio
import contextvars
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import masksearch
from masksearch.runtime.coroutines import run_coroutine

PACKAGE = Path(masksearch.__file__).parent
LONG = 60.0
NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("NUMBER", default=0)


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def fail() -> None:
    await asyncio.sleep(0)
    raise ValueError("wrong")


def inside(function: object) -> object:
    """Calls a function in a thread whose event loop is running."""

    async def run() -> object:
        return function()  # type: ignore[operator]

    return asyncio.run(run())


def test_a_coroutine_ends_with_its_result_or_its_error() -> None:
    assert run_coroutine(double(2)) == 4
    with pytest.raises(ValueError, match="wrong"):
        run_coroutine(fail())


def test_a_coroutine_runs_where_a_loop_is_running() -> None:
    assert inside(lambda: run_coroutine(double(2))) == 4
    with pytest.raises(ValueError, match="wrong"):
        inside(lambda: run_coroutine(fail()))


def test_calls_inside_each_other_run() -> None:
    async def outer() -> int:
        return run_coroutine(double(run_coroutine(double(2))))

    assert inside(lambda: run_coroutine(outer())) == 8


def test_the_coroutine_has_the_callers_context() -> None:
    async def read() -> int:
        return NUMBER.get()

    def call() -> int:
        NUMBER.set(7)
        return run_coroutine(read())

    assert inside(call) == 7


def test_the_loop_is_that_of_the_factory() -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def make() -> asyncio.AbstractEventLoop:
        made.append(asyncio.new_event_loop())
        return made[-1]

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert run_coroutine(loop(), make) is made[0]
    assert inside(lambda: run_coroutine(loop(), make)) is made[1]
    assert all(loop.is_closed() for loop in made)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Restores Python's handler of SIGINT, which a shell sets to "ignore" for a job in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("running", [False, True])
def test_an_interrupt_cancels_the_coroutine_and_waits_for_its_end(running: bool) -> None:
    events: list[str] = []

    async def wait() -> None:
        try:
            # The interrupt comes when the coroutine waits.
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            await asyncio.sleep(LONG)
        finally:
            await asyncio.sleep(0.1)
            events.append("closed")

    def call() -> None:
        try:
            run_coroutine(wait())
        except KeyboardInterrupt:
            events.append("interrupted")

    if running:
        # Not asyncio.run: its handler of SIGINT would cancel the outer coroutine instead, after the call.
        loop = asyncio.new_event_loop()
        loop.call_soon(call)
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
    else:
        call()
    assert events == ["closed", "interrupted"]


def test_no_other_module_runs_an_event_loop() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path == PACKAGE / "runtime" / "coroutines.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute):
                continue
            of_asyncio = isinstance(node.value, ast.Name) and node.value.id == "asyncio"
            if of_asyncio and node.attr in ("run", "Runner"):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} starts an event loop")
    assert not found, "\n".join(found)
