"""Keeps two processes from writing to the same place. A lock goes with its process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from masksearch.errors import UsageError


@contextlib.contextmanager
def locked(path: Path, place: str, remedy: str) -> Iterator[None]:
    """Holds the lock file `path`, and removes it at the end. Raises UsageError where another process holds it: it is working in `place`."""
    with _open_locked(path, place, remedy) as stream:
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _open_locked(path: Path, place: str, remedy: str) -> IO[str]:
    while True:
        stream = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - the caller closes it, and with it gives the lock back
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            stream.close()
            raise UsageError(
                f"Another command (process {holder}) is working in {place}; wait for it, or {remedy}."
            ) from None
        # Between opening and locking, the process that held it may have removed the file.
        if path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return stream
        stream.close()
