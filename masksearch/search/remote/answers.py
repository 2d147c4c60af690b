"""Reads answers of servers: JSON values of the documented shape, plain text from HTML, error messages."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.text.display import encodable, one_line

LONGEST_MESSAGE = 300
"""Longest part of a server's message that is shown, in characters."""

_INLINE = "a|abbr|b|cite|code|em|font|i|mark|q|s|small|span|strong|sub|sup|u|wbr"
_BLOCK = "blockquote|br|dd|div|dl|dt|h[1-6]|hr|li|ol|p|pre|table|tbody|td|th|thead|tr|ul"
# Only known tags match, so that `a < b` and `List<String>` are kept.
_TAG = re.compile(rf"</?(?:{_INLINE}|(?P<block>{_BLOCK}))(?:\s[^<>]*)?/?>", re.IGNORECASE)


class UnexpectedShape(ValueError):
    """Raised for JSON that differs from the documented shape. The message names the expected part."""


def member(value: Any, name: str) -> Any:
    """Returns `value[name]` of a JSON object. Raises UnexpectedShape if it is missing."""
    if not isinstance(value, dict) or name not in value:
        raise UnexpectedShape(f"an object with '{name}'")
    return value[name]


def rows(value: Any, name: str) -> list[dict[str, Any]]:
    """Returns `value` if it is a list of JSON objects. Raises UnexpectedShape otherwise."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise UnexpectedShape(f"a list of objects in '{name}'")
    return value


def text(row: Mapping[str, Any], name: str) -> str:
    """Returns the string `row[name]`, or an empty string if it is missing or null. Raises UnexpectedShape
    for another type."""
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnexpectedShape(f"text in '{name}'")
    return encodable(value)


def score(row: Mapping[str, Any], rank: int) -> float:
    """Returns the row's score, or 1 / rank (rank counts from 1) if the row has no score.

    Raises UnexpectedShape if the score is not a finite number.
    """
    value = row.get("score")
    if value is None:
        return 1 / rank
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnexpectedShape("a number in 'score'")
    return number


def plain(value: str) -> str:
    """Turns HTML into text on one line: removes tags and resolves entities."""
    return one_line(html.unescape(_TAG.sub(lambda tag: " " if tag["block"] else "", value)))


def shortened(query: str, characters: int, words: int | None = None) -> str:
    """Cuts a query to a number of characters and words, on one line, at the end of a word if possible."""
    query = " ".join(query.split()[:words])
    if len(query) <= characters:
        return query
    return query[: characters + 1].rpartition(" ")[0] or query[:characters]


def message(value: Any, depth: int = 4) -> str:
    """Returns the message in the error part of a JSON answer (text, an object, or a list of both), or an
    empty string.

    `depth` is the number of nested objects and lists that are searched.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and depth:
        for name in ("message", "detail", "error", "info", "msg", "code"):
            found = message(value.get(name), depth - 1)
            if found:
                return found
        return ""
    if isinstance(value, Sequence) and depth:
        return "; ".join(filter(None, (message(item, depth - 1) for item in value[:3])))
    return ""
