"""Progress on standard error: a bar on a terminal, lines with the time left in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from masksearch.runtime.ranks import is_first
from masksearch.runtime.time_left import TimeLeft


def human_time(seconds: float) -> str:
    """Formats seconds: `95` -> `1m35s`."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"


def rough_time(seconds: float) -> str:
    """Formats seconds as an estimate with few digits: `8s`, `40s`, `6m`, `1h20m`."""
    if seconds < 10:
        return f"{max(1, round(seconds))}s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5}s"
    return f"{round(seconds / 60)}m" if seconds < 3600 else human_time(seconds)


def say(text: str) -> None:
    """Prints a line to standard error, on rank 0 only."""
    if is_first():
        print(text, file=sys.stderr, flush=True)


_stage_ends, _after = 0.0, 0.0


def plan(stage_seconds: float, after_seconds: float) -> None:
    """Sets the expected seconds of the stage that starts now and of the stages after it. Progress displays
    use both to show the time left in all."""
    global _stage_ends, _after
    _stage_ends, _after = time.monotonic() + stage_seconds, after_seconds


class Progress:
    """Counts and shows the finished steps of one task, such as the training steps of a stage.

    A terminal shows one line that is redrawn in place. A log gets a line every `interval` seconds and one
    at the end.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        unit: str = "",
        interval: float = 15.0,
        parallel: int = 1,
        shared: bool = True,
    ) -> None:
        """`parallel` is the number of steps in progress at a time; `shared` says whether they share this
        machine. Both serve the estimate of the time left (runtime/time_left.py)."""
        self.label, self.total, self.unit, self.interval = label, total, unit, interval
        self.done, self.note = 0, ""
        self.terminal = sys.stderr.isatty()
        self.started = time.monotonic()
        self.printed = self.started if not self.terminal else 0.0
        expected = _stage_ends - self.started
        self.time_left = TimeLeft(
            total or 0, self.started, parallel, expected if expected > 0 else None, shared
        )

    def skip(self, count: int) -> None:
        """Counts steps that an earlier attempt has done."""
        self.done += count
        self.time_left.skip(count)

    def step(self, count: int = 1, note: str | None = None) -> None:
        """Counts `count` more steps; `note` is shown after the counts."""
        self.done += count
        if note is not None:
            self.note = note
        now = time.monotonic()
        if count:
            self.time_left.step(count, now)
        if now - self.printed >= (0.2 if self.terminal else self.interval):
            self.printed = now
            self._show(end="\r" if self.terminal else "\n")

    def _line(self) -> str:
        elapsed = time.monotonic() - self.started
        total = f"/{self.total}" if self.total else ""
        unit = f" {self.unit}" if self.unit else ""
        parts = [f"  {self.label}: {self.done}{total}{unit}", human_time(elapsed)]
        now = time.monotonic()
        left = self.time_left.left(now) if self.total and 0 < self.done < self.total else None
        if left is not None:
            parts.append(f"about {rough_time(left)} left")
            if _after > 0:
                parts[-1] += f" ({rough_time(max(left, _stage_ends - now) + _after)} in all)"
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
