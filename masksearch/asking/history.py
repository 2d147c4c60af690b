"""Questions typed at a prompt, with the history of earlier sessions."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

MOST = 1000
"""Number of questions that the history keeps."""


def history_file() -> Path:
    """Returns the file with the questions of earlier sessions."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "masksearch" / "questions"


def lines_typed(prompt: str) -> Iterator[str]:
    """Yields the lines that are typed, until an empty one or the end of input.

    On a terminal the arrow keys reach earlier lines, also those of earlier sessions. From a pipe, every line
    is a question and empty ones are skipped.
    """
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    with _readline():
        while True:
            try:
                line = input(prompt).strip()
            except (EOFError, KeyboardInterrupt):
                print()
                return
            if not line:
                return
            yield line


@contextlib.contextmanager
def _readline() -> Iterator[None]:
    """Loads the history, and saves it at the end. Without the module readline there is none."""
    try:
        import readline
    except ImportError:
        yield
        return
    file = history_file()
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(MOST)
            readline.write_history_file(file)
