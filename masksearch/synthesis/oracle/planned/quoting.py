"""Short quotes of a result around a value, and the search for a value among the results."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from masksearch.synthesis.oracle.linking import Shown
from masksearch.synthesis.oracle.wording import find_spans, neighbours

LEFT, RIGHT = 3, 2
"""Number of words of a quote before and after the value."""


_DEFINES = re.compile(r"\b(?:is|was|are|were) (?:an?|the|one)\b")


@dataclass(frozen=True)
class Found:
    """A value in a result, with its quote."""

    result: Shown
    value: str
    quote: str

    @property
    def line(self) -> str:
        """The quote with the number of its result: `[2]: "is a Swedish actor who"`."""
        return f'[{self.result.number}]: "{self.quote}".'


def quoted(result: Shown, start: int, end: int, left: int = LEFT, right: int = RIGHT) -> str:
    """Returns characters [start, end) of a result with a few words around them, without double quotes.

    A quotation mark in the text ends the quote, because a quote inside a quote cannot be told from its end.
    """
    head, tail = neighbours(result.text, start, end, left, right)
    head = _clear_start(head.rsplit('"', 1)[-1])
    tail = tail.split('"', 1)[0]
    inner = result.text[start:end].replace('"', "")
    return " ".join((head + inner + tail).split())


def _clear_start(head: str) -> str:
    """Returns the words before a value from the first that a reader could begin with: none of a bracket that
    they do not open, nor of what stands before a dash.

    Of "Ann Lee (2 May 1921 – 8 June 1968) was an American" the nationality is quoted as "was an American",
    the death as "– 8 June 1968". A small model that learns quotes such as "1968) was an American" begins each
    quote with the end of a date, whatever is asked.
    """
    if (closed := head.rfind(")")) > head.rfind("("):
        head = head[closed + 1 :]
    return head[max(head.rfind("–"), 0) :]


def find_value(results: Sequence[Shown], value: str, is_source: Callable[[Shown], bool]) -> Found | None:
    """Returns the first place of a value in the results that `is_source` accepts, or None."""
    for result in results:
        if is_source(result):
            for start, end in find_spans(result.text, value):
                return Found(result, result.text[start:end], quoted(result, start, end))
    return None


def definition_of(result: Shown, words: int = 8) -> str:
    """Returns the words of a result from "is a" on, up to a quotation mark; else its first words."""
    match = _DEFINES.search(result.text)
    text = result.text[match.start() :] if match else result.text
    return " ".join(text.split()[:words]).split('"', 1)[0].strip() or result.heading
