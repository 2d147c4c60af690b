"""What the process of the command line needs around it; a program that imports the package is left as it is."""

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
"""Keeps glibc from giving memory back between the steps of training, only to fetch it again page by page, and asks for huge pages:
visibly faster on a CPU."""
RESTARTED = "MASKSEARCH_RESTARTED"
TRAINS = ("run", "sft", "rl", "eval")


def prepare(command: str) -> None:
    """Sets the environment and the signals. Starts the program anew, once, where the environment counts from the start only."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    signal.signal(signal.SIGTERM, _interrupt)
    if command in TRAINS and _may_restart():
        os.environ.update(
            {RESTARTED: "1", **{name: value for name, value in MALLOC.items() if name not in os.environ}}
        )
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _may_restart() -> bool:
    """Only on glibc, only once, only if something would change, and not where the program itself came through standard input."""
    if os.environ.get(RESTARTED) or all(name in os.environ for name in MALLOC):
        return False
    from_stdin = len(sys.orig_argv) < 2 or sys.orig_argv[1] == "-"
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc" and not from_stdin


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: what was done is recorded."""
    raise KeyboardInterrupt
