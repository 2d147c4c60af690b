"""Reads what a server answered: JSON values of the documented shape, plain text out of HTML, an error's message."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.text.display import encodable, one_line

LONGEST_MESSAGE = 300
"""Characters of a server's message that are shown."""

_INLINE = "a|abbr|b|cite|code|em|font|i|mark|q|s|small|span|strong|sub|sup|u|wbr"
_BLOCK = "blockquote|br|dd|div|dl|dt|h[1-6]|hr|li|ol|p|pre|table|tbody|td|th|thead|tr|ul"
# By name, so that `a < b` and `List<String>` stay.
_TAG = re.compile(rf"</?(?:{_INLINE}|(?P<block>{_BLOCK}))(?:\s[^<>]*)?/?>", re.IGNORECASE)


class UnexpectedShape(ValueError):
    """JSON of another shape than is documented; the text names what was expected."""


def member(value: Any, name: str) -> Any:
    """`value[name]` of a JSON object that must have it. Raises UnexpectedShape."""
    if not isinstance(value, dict) or name not in value:
        raise UnexpectedShape(f"an object with '{name}'")
    return value[name]


def rows(value: Any, name: str) -> list[dict[str, Any]]:
    """A list of JSON objects. Raises UnexpectedShape."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise UnexpectedShape(f"a list of objects in '{name}'")
    return value


def text(row: Mapping[str, Any], name: str) -> str:
    """A string, or "" where there is none. Raises UnexpectedShape where it is something else."""
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnexpectedShape(f"text in '{name}'")
    return encodable(value)


def score(row: Mapping[str, Any], rank: int) -> float:
    """The row's own score, or 1 / rank (which counts from 1) where it has none. Raises UnexpectedShape where it is no finite number."""
    value = row.get("score")
    if value is None:
        return 1 / rank
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnexpectedShape("a number in 'score'")
    return number


def plain(value: str) -> str:
    """HTML as text on one line: without its tags, entities resolved."""
    return one_line(html.unescape(_TAG.sub(lambda tag: " " if tag["block"] else "", value)))


def shortened(query: str, characters: int, words: int | None = None) -> str:
    """The beginning of a query on one line, cut at the end of a word where it has any."""
    query = " ".join(query.split()[:words])
    if len(query) <= characters:
        return query
    return query[: characters + 1].rpartition(" ")[0] or query[:characters]


def message(value: Any, depth: int = 4) -> str:
    """The message in the error part of a JSON answer, whether text, an object or a list of these; "" where there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and depth:
        return next(
            (
                found
                for name in ("message", "detail", "error", "info", "msg", "code")
                if (found := message(value.get(name), depth - 1))
            ),
            "",
        )
    if isinstance(value, Sequence) and depth:
        return "; ".join(filter(None, (message(item, depth - 1) for item in value[:3])))
    return ""
