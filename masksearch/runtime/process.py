"""Environment and signal setup for the CLI; importing the package changes neither."""

from __future__ import annotations

import os
import platform
import signal
import sys
from types import FrameType

MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Stops glibc from returning memory between training steps and fetching it again page by page, and asks for
huge pages.

Training on a CPU is visibly faster with it.
"""
RESTARTED = "MASKSEARCH_RESTARTED"
COMPUTE_COMMANDS = ("run", "sft", "rl", "eval")
"""Commands that compute with a model in this process."""


def prepare(command: str) -> None:
    """Sets environment variables and signal handlers.

    Restarts the program once, because glibc reads its variables at start-up.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    signal.signal(signal.SIGTERM, _interrupt)
    if command in COMPUTE_COMMANDS and _may_restart():
        os.environ.update(
            {RESTARTED: "1", **{name: value for name, value in MALLOC.items() if name not in os.environ}}
        )
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _may_restart() -> bool:
    """Whether to restart: once, on glibc, if a variable would change, and unless the program was read from
    standard input."""
    if os.environ.get(RESTARTED) or all(name in os.environ for name in MALLOC):
        return False
    from_stdin = len(sys.orig_argv) < 2 or sys.orig_argv[1] == "-"
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc" and not from_stdin


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Turns SIGTERM into KeyboardInterrupt, so that a run records its state before it ends."""
    raise KeyboardInterrupt
