"""Keeps two processes from writing to the same place. The lock of a process that was killed is free."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from masksearch.errors import UsageError

PATIENCE = 0.2
"""Seconds to wait for the lock. The last holder may be removing its lock file at this moment, and such a
lock must not count as held."""


@contextlib.contextmanager
def locked(path: Path, place: str, remedy: str) -> Iterator[None]:
    """Holds the lock file `path` during a block and then removes it; the file names this process.

    Raises UsageError if another process holds the lock. `place` is the locked folder and `remedy` the advice
    in the error message.
    """
    lock = FileLock(path, timeout=PATIENCE)
    try:
        lock.acquire(poll_interval=PATIENCE / 4)
    except Timeout:
        holder = _holder(path)
        raise UsageError(
            f"Another command (process {holder or 'unknown'}) is working in {place}; "
            f"wait for it, or {remedy}."
        ) from None
    # On Windows nobody, not even this process through another handle, may write to the locked file, read it
    # or remove it. The file then names no process, and `release` removes it.
    try:
        with contextlib.suppress(PermissionError):
            path.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(PermissionError):
            path.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    """Returns the process that holds the lock, from the lock file; empty if the file cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return ""
