"""Reads files of JSON that is not one object a line: an array of objects, or objects over several lines.

An array is parsed as it is read, so that only one of its items is in memory. An object with a single list of
objects, such as {"documents": [...]}, gives these; any other object is one record.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from masksearch.corpus.encodings import decoded
from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, SkipCount
from masksearch.runtime.files import open_binary

PART = 2**20
"""Number of characters that are read at a time."""
_BETWEEN = " \t\r\n,"
Items = Iterator[tuple[int, tuple[str, dict[str, Any]]]]
"""Number of an item, its place, and its object."""


def is_array(first: bytes) -> bool:
    """Whether the first line of a file starts an array of objects."""
    start = first.strip()
    return start[:1] == b"[" and start[1:].lstrip()[:1] in (b"", b"{")


def json_items(path: str, name: str, skipped: SkipCount, encoding: str) -> Items:
    """Yields the objects of an array; `encoding` is that of the file if it has a mark, else empty.

    Raises DataError and UnicodeDecodeError where the file is damaged.
    """
    encoding = encoding or _encoding(path)
    with open_binary(path) as stream:
        reader = _Characters(stream, encoding)
        number = 0
        for value in reader.items():
            number += 1
            place = f"{name}, item {number}"
            if isinstance(value, dict):
                yield number, (place, value)
            else:
                skipped.add("not a JSON object", place)
    if reader.fault:
        skipped.add(reader.fault, f"{name}, after item {number}" if number else name)


def _encoding(path: str) -> str:
    """Returns the encoding of an array by its beginning; UTF-8 if it is unknown."""
    with open_binary(path) as stream:
        start = stream.read(PART)
    return decoded(start[: start.rfind(b"\n") + 1] or start)[1] or "utf-8"


def whole_object(path: str) -> list[dict[str, Any]] | None:
    """Returns the records of a file that holds one object over several lines; None for any other file."""
    with open_binary(path) as stream:
        data = stream.read(MAX_RECORD + 1)
    if len(data) > MAX_RECORD:
        return None
    try:
        value = json.loads(decoded(data)[0])
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    lists = [rows for rows in value.values() if isinstance(rows, list) and rows and _objects(rows)]
    return lists[0] if len(lists) == 1 and "name" not in value and "id" not in value else [value]


def _objects(rows: list[Any]) -> bool:
    return all(isinstance(row, dict) for row in rows)


class _Characters:
    """Parses an array from a stream, one item after the other."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream: IO[bytes] = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at, self._ended = "", 0, False
        self.fault = ""
        """Why the array was not read to its end; empty if it was."""

    def items(self) -> Iterator[Any]:
        """Yields the items of the array. Sets `fault` where it ends early."""
        if self._next() != "[":
            self.fault = "not valid JSON"
            return
        self._at += 1
        while (char := self._next()) != "]":
            if not char:
                self.fault = "a file that is truncated or damaged (the array does not end)"
                return
            found = self._item()
            if found is None:
                return
            yield found[0]
        self._at += 1
        if self._next():
            self.fault = "text after the array"

    def _item(self) -> tuple[Any] | None:
        """Returns the item at this place; None, with `fault` set, if there is no valid one."""
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except (ValueError, RecursionError):
                if len(self._text) - self._at > MAX_RECORD:
                    self.fault = f"{TOO_LONG} or not valid JSON (the rest of the array is left out)"
                elif not self._read():
                    self.fault = "not valid JSON (the rest of the array is left out)"
                else:
                    continue
                return None
            self._at = end
            return (value,)

    def _next(self) -> str:
        """Moves to the next character that is neither white space nor a comma; returns it, or nothing at the
        end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BETWEEN:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read():
                return ""

    def _read(self) -> bool:
        """Reads more text, as much as is waiting to be parsed; returns False at the end."""
        if self._ended:
            return False
        rest = self._text[self._at :]
        data = self._stream.read(max(PART, len(rest)))
        self._ended = not data
        self._text = (rest + self._decoder.decode(data, final=self._ended)).removeprefix("\ufeff")
        self._at = 0
        return not self._ended
