"""Makes untrusted text safe to display: on a terminal, on one line, in a page."""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str, instead: str = " ") -> str:
    """Replaces every unprintable character, including line breaks, because such characters can control a
    terminal."""
    return "".join(character if character.isprintable() else instead for character in text)


def printable_lines(text: str) -> str:
    """Replaces unprintable characters by spaces (see `printable`) but keeps line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: str) -> str:
    """Collapses all white space to single spaces."""
    return " ".join(text.split())


def visible_controls(text: str) -> str:
    """Writes control and direction marks as code points, for example ⟨U+202E⟩.

    Covers control characters except tab and line feed, direction marks, invisible separators and tag
    characters. `report/page/text.js` does the same in the browser, so that no text can hide or reverse a
    line of the page.
    """
    return _CONTROLS.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text.replace("\r\n", "\n"))


def encodable(value: str) -> str:
    """Replaces lone surrogates, which JSON can express but UTF-8 cannot encode, by U+FFFD."""
    return _SURROGATE.sub("\ufffd", value)


_WIDE = r"\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_PIECES = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}]+\s*|\s+")
"""Matches a wide character, a word with the spaces after it, or spaces."""


def display_width(text: str) -> int:
    """Returns the number of terminal columns that a text takes.

    A wide character takes two columns, a combining character none.
    """
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 1 + (unicodedata.east_asian_width(character) in "WF")


def clipped(text: str, width: int) -> str:
    """Returns the text, or its beginning with an ellipsis, in at most `width` terminal columns."""
    if display_width(text) <= width:
        return text
    taken = 1  # the ellipsis takes one column
    for place, character in enumerate(text):
        taken += _width(character)
        if taken > width:
            return text[:place].rstrip() + "…"
    return text


def wrapped(text: str, width: int, most: int | None = None) -> list[str]:
    """Returns the text on lines of at most `width` terminal columns.

    Lines break at spaces and between wide characters; a longer word is broken too. With `most`, there are at
    most so many lines, and the last one ends with an ellipsis if the text is longer.
    """
    lines = [""]
    for piece in _PIECES.findall(one_line(text)):
        if display_width(lines[-1]) + display_width(piece.rstrip()) <= width:
            lines[-1] += piece
            continue
        if lines[-1].strip():
            lines.append("")
        for character in piece.rstrip():
            if display_width(lines[-1]) + _width(character) > width:
                lines.append("")
            lines[-1] += character
        lines[-1] += piece[len(piece.rstrip()) :]
    lines = [line.rstrip() for line in lines if line.strip()]
    if most is not None and len(lines) > most:
        return [*lines[: most - 1], clipped(" ".join(lines[most - 1 :]), width)]
    return lines
