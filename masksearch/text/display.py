"""Makes untrusted text safe to display: on a terminal, on one line, in a page."""

from __future__ import annotations

import re

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
