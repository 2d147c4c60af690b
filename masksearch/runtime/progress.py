"""How long work shows itself: a bar on a terminal, plain lines with a time left in a log. Written to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from masksearch.runtime.ranks import is_first

T = TypeVar("T")


def human_time(seconds: float) -> str:
    """`95` -> `1m35s`."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"


def say(text: str) -> None:
    """One plain line on standard error, from the first process where there are several."""
    if is_first():
        print(text, file=sys.stderr, flush=True)


_stage_ends, _after = 0.0, 0.0


def plan(stage_seconds: float, after_seconds: float) -> None:
    """Tells all displays how long the stage that starts now, and those after it, are expected to take."""
    global _stage_ends, _after
    _stage_ends, _after = time.monotonic() + stage_seconds, after_seconds


class Progress:
    """Counts the steps of one piece of work.

    On a terminal one line is redrawn in place; elsewhere a line is printed at the start, every
    `interval` seconds, and at the end, so that a log stays short.
    """

    def __init__(self, label: str, total: int | None, unit: str = "", interval: float = 15.0) -> None:
        self.label, self.total, self.unit, self.interval = label, total, unit, interval
        self.done, self.note = 0, ""
        self.terminal = sys.stderr.isatty()
        self.started = time.monotonic()
        self.printed = self.started if not self.terminal else 0.0

    def step(self, count: int = 1, note: str | None = None) -> None:
        """`count` more steps are done; `note` is shown behind the figures."""
        self.done += count
        if note is not None:
            self.note = note
        now = time.monotonic()
        if now - self.printed >= (0.2 if self.terminal else self.interval):
            self.printed = now
            self._show(end="\r" if self.terminal else "\n")

    def _line(self) -> str:
        elapsed = time.monotonic() - self.started
        parts = [
            f"  {self.label}: {self.done}"
            + (f"/{self.total}" if self.total else "")
            + (f" {self.unit}" if self.unit else "")
        ]
        parts.append(human_time(elapsed))
        if self.total and 0 < self.done < self.total:
            left = elapsed / self.done * (self.total - self.done)
            parts.append(f"about {human_time(left)} left")
            if _after > 0:
                parts[-1] += f" ({human_time(max(left, _stage_ends - time.monotonic()) + _after)} in all)"
        if self.note:
            parts.append(self.note)
        return ", ".join(parts)

    def _show(self, end: str) -> None:
        if not is_first():
            return
        line = self._line()
        if self.terminal:
            bar = ""
            if self.total:
                filled = int(20 * min(1.0, self.done / self.total))
                bar = "  [" + "#" * filled + "." * (20 - filled) + "]"
            line = (bar + line).ljust(110)[:150]
        sys.stderr.write(line + end)
        sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.done or kind is None:
            self._show(end="\n")


def track(items: Iterable[T], label: str, total: int | None = None, unit: str = "") -> Iterator[T]:
    """Yields `items` and counts them on a Progress."""
    with Progress(label, total, unit) as progress:
        for item in items:
            yield item
            progress.step()
