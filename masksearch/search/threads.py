"""Searches over a network wait in threads of their own, so that the event loop, and with it every other episode, goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, TypeVar

T = TypeVar("T")
AT_A_TIME = 64
"""Threads that wait; the interpreter's own pool has six on two cores."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_A_TIME, "search")


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function in one of the threads that wait for searches."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), partial(function, *arguments))
