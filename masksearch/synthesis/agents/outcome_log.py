"""The log of outcomes: an append-only file. Memory holds only task ids and byte offsets."""

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
"""Seconds between two syncs to disk. If the process is killed, no line is lost, because the operating
system still writes it. A power cut may lose the lines since the last sync."""


class Log:
    """The outcomes of tasks, by id. Opening the log removes an incomplete last line of a killed run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, int] = {}
        """Task id -> offset of its line, in bytes."""
        self.kept = 0
        """Number of tasks whose trajectory is kept."""
        self.reasons: dict[str, int] = {}
        """Reason without details (see `reason_kind`) -> number of tasks rejected for this reason."""
        self.spent: dict[str, Spent] = {}
        """Role -> tokens and cost of this role, summed over all tasks in the log."""
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
            kind = reason_kind(row["reason"])
            self.reasons[kind] = self.reasons.get(kind, 0) + 1
        else:
            self.kept += 1
        for role, values in row["spent"].items():
            self.spent[role] = self.spent.get(role, Spent()) + Spent.from_json(values)

    def add(self, row: dict[str, Any]) -> None:
        """Appends an outcome. Raises ValueError for a task with an outcome, OSError if the disk is full."""
        if row["id"] in self.places:
            raise ValueError(f"The task '{row['id']}' has an outcome already.")
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        if self._stream.write(line) < len(line):
            # Part of a line was written. Opening the log removes it only if no further line follows it.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._count(row, self._end)
        self._end += len(line)
        if time.monotonic() - self._synced > SYNC:
            os.fsync(self._stream.fileno())
            self._synced = time.monotonic()

    def rows(self, ids: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yields the outcomes of these tasks, in this order; skips tasks without an outcome."""
        with open(self.path, "rb") as stream:
            for name in ids:
                if name in self.places:
                    stream.seek(self.places[name])
                    yield json.loads(stream.readline())


def reason_kind(reason: str) -> str:
    """Returns a reason without the details of its task, so that equal reasons can be counted."""
    return reason.partition(" (")[0].partition(": ")[0]
