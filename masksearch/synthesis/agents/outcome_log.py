"""The log of outcomes: append-only, read by place, so that a run of millions of tasks holds ids alone in memory."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from masksearch.llm.cost import Spent

SYNC = 1.0
"""Seconds between two waits for the disk. A kill loses nothing: what was written is the system's. A power cut may cost so much."""


class Log:
    """Outcomes of tasks, by id. A torn last line, as a kill leaves it, is cut off when the log is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, int] = {}
        """Task id -> where its line begins, in bytes."""
        self.kept = 0
        self.reasons: dict[str, int] = {}
        self.spent: dict[str, Spent] = {}
        self._end = 0
        if path.exists():
            self._read()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab", buffering=0)
        self._synced = time.monotonic()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.fsync(self._stream.fileno())
        self._stream.close()

    def _read(self) -> None:
        with open(self.path, "rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                row = json.loads(line)
                self._count(row, self._end)
                self._end += len(line)
        if self._end < self.path.stat().st_size:
            with open(self.path, "r+b") as stream:
                stream.truncate(self._end)

    def _count(self, row: dict[str, Any], place: int) -> None:
        self.places[row["id"]] = place
        if row["reason"]:
            self.reasons[told(row["reason"])] = self.reasons.get(told(row["reason"]), 0) + 1
        else:
            self.kept += 1
        for role, values in row["spent"].items():
            self.spent[role] = self.spent.get(role, Spent()) + Spent.from_json(values)

    def add(self, row: dict[str, Any]) -> None:
        """Writes one outcome down. Raises ValueError for a task that has one already, OSError where the disk is full."""
        if row["id"] in self.places:
            raise ValueError(f"the task '{row['id']}' was done before")
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        if self._stream.write(line) < len(line):
            # Half a line is cut off by the next start, but only where nothing stands behind it.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._count(row, self._end)
        self._end += len(line)
        if time.monotonic() - self._synced > SYNC:
            os.fsync(self._stream.fileno())
            self._synced = time.monotonic()

    def rows(self, ids: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The outcomes of these tasks, in this order; those that have none are passed over."""
        with open(self.path, "rb") as stream:
            for name in ids:
                if name in self.places:
                    stream.seek(self.places[name])
                    yield json.loads(stream.readline())


def told(reason: str) -> str:
    """A reason as it is counted: without what differs from task to task."""
    return reason.partition(" (")[0].partition(": ")[0]
