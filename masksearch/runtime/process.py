"""Sets up environment variables and signals for the command line. Importing the package changes neither."""

from __future__ import annotations

import io
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
"""Environment variables for glibc. They ask for huge pages, and they keep freed memory in the process.
Otherwise each training step would return memory to the system and fetch it again page by page.

Training on a CPU is visibly faster with them.
"""
WAITING = "OMP_WAIT_POLICY"
"""Environment variable for OpenMP, read when torch loads its OpenMP library. PASSIVE lets waiting threads
sleep.

By default they spin for milliseconds. Where another process needs a core, they keep it from the thread that
they wait for.
"""
WAITING_OF_THE_USER = (WAITING, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables that decide how long OpenMP's threads spin (GNU's library on Linux, LLVM's and Intel's on macOS
and Windows). If one of them is set, it stays in force."""
RESTARTED = "MASKSEARCH_RESTARTED"
COMPUTE_COMMANDS = ("run", "sft", "rl", "eval")
"""Commands that compute with a model in this process."""


def prepare(command: str) -> None:
    """Sets environment variables and signal handlers.

    Restarts the program once, because glibc reads its variables at start-up.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Works without a restart, because no command has loaded torch yet.
    if not any(name in os.environ for name in WAITING_OF_THE_USER):
        os.environ[WAITING] = "PASSIVE"
    signal.signal(signal.SIGTERM, _interrupt)
    _use_utf8()
    if command in COMPUTE_COMMANDS and _may_restart():
        os.environ.update(
            {RESTARTED: "1", **{name: value for name, value in MALLOC.items() if name not in os.environ}}
        )
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _use_utf8() -> None:
    """Makes the standard streams UTF-8, as all files are. On Windows, pipes have another encoding by default,
    which lacks most characters."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if sys.platform == "win32" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


def _may_restart() -> bool:
    """Whether to restart the program. It restarts only once, only on glibc, and only if a variable would
    change. It never restarts if the program was read from standard input."""
    if os.environ.get(RESTARTED) or all(name in os.environ for name in MALLOC):
        return False
    from_stdin = len(sys.orig_argv) < 2 or sys.orig_argv[1] == "-"
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc" and not from_stdin


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Turns SIGTERM into KeyboardInterrupt, so that a run records its state before it ends."""
    raise KeyboardInterrupt
