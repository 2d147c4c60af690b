"""How long tests wait. A machine that stands still for some seconds changes no result."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable

LONG = 120.0
"""Seconds within which everything ends that should end."""
_PORTS = range(20_000, 32_000)
"""Ports that the system gives to nobody on its own (Linux's own start at 32,768)."""
_KEPT: list[socket.socket] = []


def wait_for(condition: Callable[[], object], seconds: float = LONG) -> None:
    """Waits until a condition is true. Raises AssertionError after this time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.005)


def free_port() -> int:
    """Returns a port that no program uses. For programs that cannot choose one themselves."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("all ports are in use")


def nowhere() -> str:
    """Returns a URL without a server. No other program can take its port while the tests run."""
    kept = socket.socket()
    kept.bind(("127.0.0.1", 0))  # without listen(), connections are refused
    _KEPT.append(kept)
    return f"http://127.0.0.1:{kept.getsockname()[1]}"
