"""Reads what a tool showed: the numbered results of a turn, as words in which quotes and answers are found.

Words are compared without case, punctuation and white space. A number with separators is one word, so that
"3" does not stand in "3.5", nor "310" in "310,000". In scripts without spaces every character is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from masksearch.text.sentences import UNSPACED
from masksearch.types import Turn

_WORD = re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(?!\d)(?:\.\d+)?|\d+(?:[.:]\d+)+|[{UNSPACED}]|[^\W_{UNSPACED}]+")
_INFORMATION = re.compile(r"\s*<information>(.*)</information>\s*", re.DOTALL)
_RESULT = re.compile(r"\[(\d+)\] (.*)")


@dataclass(frozen=True)
class Result:
    """A search result, or a part of an opened page, as the model saw it."""

    number: int
    words: str
    """Words of its title and text (see `padded`)."""


def words_of(text: str) -> list[str]:
    """Returns the words of a text, as they are compared; none for a text without letters and digits."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return [word.replace(",", "") for word in _WORD.findall(plain)]


def padded(words: Sequence[str]) -> str:
    """Returns words joined by spaces, with a space on both sides: a sequence of them is found by `in`."""
    return f" {' '.join(words)} "


def stands_in(part: str, text: str) -> bool:
    """Whether the words of a part stand in a text, in sequence; False for a part without words."""
    words = words_of(part)
    return bool(words) and padded(words) in padded(words_of(text))


def results_of(turn: Turn) -> tuple[Result, ...] | None:
    """Returns the results in a tool's turn; empty for a search without results.

    Returns None for a turn of the model, even if it imitates an information block, and for a correction.
    """
    lines = _lines(turn)
    if lines is None:
        return None
    return tuple(Result(number, padded(words_of(text))) for number, text in lines)


def texts_shown(turns: Iterable[Turn]) -> tuple[str, ...]:
    """Returns the title and text of every result that the tools showed, in order; each once."""
    return tuple(dict.fromkeys(text for turn in turns for _, text in _lines(turn) or ()))


def _lines(turn: Turn) -> list[tuple[int, str]] | None:
    """Returns number and text of each result in a tool's turn; None if it is no answer to a search."""
    match = _INFORMATION.fullmatch(turn.text) if turn.role == "tool" else None
    if match is None:
        return None
    lines = (_RESULT.fullmatch(line.strip()) for line in match[1].split("\n"))
    return [(int(line[1]), line[2]) for line in lines if line]


def holds(results: Iterable[Result], words: Sequence[str]) -> bool:
    """Whether one of the results holds words in sequence; False without words."""
    wanted = padded(words)
    return bool(words) and any(wanted in result.words for result in results)
