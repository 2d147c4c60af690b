"""Colour for terminals, by ANSI escape sequences.

    bold("Headline", sys.stdout)    green("+5.8")    red("failed", sys.stderr)    dim("of 100")

A function returns its text unchanged if the stream does not show colour. The environment decides first, as in
Python itself: `NO_COLOR` turns colour off, `FORCE_COLOR` turns it on, `TERM=dumb` turns it off. Otherwise a
stream shows colour if it is a terminal. On Windows the console must also accept escape sequences.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from typing import IO, Any

RESET = "\x1b[0m"
CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}
"""Name of a style -> its number in an ANSI escape sequence."""
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_CONSOLES = {"stdout": -11, "stderr": -12}
_VIRTUAL_TERMINAL = 0x0004


def shows_colour(stream: IO[str] | None = None) -> bool:
    """Whether text for this stream is coloured; the default is standard output."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("TERM") == "dumb":
        return False
    stream = sys.stdout if stream is None else stream
    try:
        terminal = stream.isatty()
    except (AttributeError, ValueError):  # no real stream, or a closed one
        return False
    return terminal and _console_accepts_escapes()


def style(text: str, *names: str, stream: IO[str] | None = None) -> str:
    """Returns `text` in the styles of CODES with these names, or unchanged if the stream shows no colour.

    A text may contain styled parts: the outer style continues after them.
    """
    if not text or not shows_colour(stream):
        return text
    start = f"\x1b[{';'.join(CODES[name] for name in names)}m"
    return f"{start}{text.replace(RESET, RESET + start)}{RESET}"


def bold(text: str, stream: IO[str] | None = None) -> str:
    """Returns `text` in bold."""
    return style(text, "bold", stream=stream)


def dim(text: str, stream: IO[str] | None = None) -> str:
    """Returns `text` in a weaker shade."""
    return style(text, "dim", stream=stream)


def red(text: str, stream: IO[str] | None = None) -> str:
    """Returns `text` in red, for what failed."""
    return style(text, "red", stream=stream)


def green(text: str, stream: IO[str] | None = None) -> str:
    """Returns `text` in green, for what is done or right."""
    return style(text, "green", stream=stream)


def yellow(text: str, stream: IO[str] | None = None) -> str:
    """Returns `text` in yellow, for warnings."""
    return style(text, "yellow", stream=stream)


def cyan(text: str, stream: IO[str] | None = None) -> str:
    """Returns `text` in cyan, for names and commands."""
    return style(text, "cyan", stream=stream)


def heading(text: str, stream: IO[str] | None = None) -> str:
    """Returns `text` as a heading: bold and blue."""
    return style(text, "bold", "blue", stream=stream)


def plain(text: str) -> str:
    """Returns `text` without escape sequences."""
    return ESCAPE.sub("", text)


def width(text: str) -> int:
    """Returns the number of characters of `text` that a terminal shows; escape sequences take no room."""
    return len(plain(text))


@cache
def _console_accepts_escapes() -> bool:
    """Whether the console reads escape sequences. Windows consoles must be asked to, once in a process."""
    if sys.platform != "win32":
        return True
    import ctypes

    kernel: Any = ctypes.windll.kernel32
    accepted = []
    for number in _CONSOLES.values():
        handle, mode = kernel.GetStdHandle(number), ctypes.c_uint32()
        if kernel.GetConsoleMode(handle, ctypes.byref(mode)):  # zero: redirected to a file
            accepted.append(bool(kernel.SetConsoleMode(handle, mode.value | _VIRTUAL_TERMINAL)))
    return bool(accepted) and all(accepted)
