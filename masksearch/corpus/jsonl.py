"""Reads JSON: one object per line, or a file that holds an array of objects or one object over many lines.

Files are compressed or not, UTF-8 or in another encoding (encodings.py), or come from standard input. Lines
are decoded one at a time, so that a line in another encoding loses only one record. At most `MAX_RECORD`
bytes of a line are held in memory.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from masksearch.corpus.encodings import (
    NOT_UTF8,
    Recoded,
    guessed_encoding,
    marked_encoding,
    noted,
    unknown,
)
from masksearch.corpus.layouts import MADE
from masksearch.corpus.layouts.arrays import is_array, json_items, whole_object
from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, BadRecord, SkipCount
from masksearch.errors import DataError
from masksearch.runtime.files import open_binary

_BOM = b"\xef\xbb\xbf"
Objects = Iterator[tuple[str, dict[str, Any]]]


def read_json_objects(path: str, skipped: SkipCount, label: str = "") -> Objects:
    """Yields the objects of a file (`-`: standard input) with their places.

    An object without `id` gets the id LABEL#NUMBER under the key `MADE`. Counts unreadable lines, and a
    truncated or damaged file, in `skipped`.
    """
    name = "Standard input" if path == "-" else path
    label = label or ("stdin" if path == "-" else path)
    number = 0
    try:
        with open_binary(path) as stream:
            for number, (place, value) in _numbered(stream, path, name, skipped):
                if value.get("id") is None:
                    value[MADE] = f"{label}#{number}"
                yield place, value
    except DataError as error:
        skipped.add(damage_reason(error), f"{name}, after line {number}" if number else name)
    except UnicodeDecodeError:
        skipped.add(NOT_UTF8, f"{name}, after line {number}" if number else name)


def damage_reason(error: DataError) -> str:
    """Returns the reason under which an unreadable file, or a file with an unreadable end, is counted as
    skipped."""
    cause = error.__cause__
    detail = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause or error)
    if isinstance(cause, FileNotFoundError | PermissionError) or cause is None:
        detail = detail if cause else "there is none of this name"
        return f"a file that cannot be opened ({' '.join(detail.rstrip('.').split())})"
    return f"a file that is truncated or damaged ({' '.join(detail.rstrip('.').split())})"


def unreadable(error: DataError) -> str:
    """Returns the reason under which a file of a folder is counted whose reader raised an error."""
    if isinstance(error.__cause__, OSError):
        return damage_reason(error)
    return f"a file that cannot be read ({' '.join(str(error).rstrip('.').split())})"


def lines_of(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yields lines of at most `MAX_RECORD` bytes, and None for a longer line, which it reads in pieces."""
    readline = stream.readline
    while line := readline(MAX_RECORD + 1):
        if len(line) <= MAX_RECORD:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = readline(MAX_RECORD)
        yield None


def _numbered(
    stream: BinaryIO, path: str, name: str, skipped: SkipCount
) -> Iterator[tuple[int, tuple[str, dict[str, Any]]]]:
    """Yields the number of each line or item with its place and object."""
    lines = lines_of(stream)
    first = next(lines, b"")
    marked = marked_encoding(first) if first else ""
    if marked.startswith(("utf-16", "utf-32")):
        if path == "-":
            raise DataError(f"Standard input is {marked.upper()} text; convert it to UTF-8 first.")
        skipped.note(noted(marked), name)
        with open_binary(path) as again:
            recoded: Any = io.BufferedReader(Recoded(again, marked))
            lines = lines_of(recoded)
            first = next(lines, b"")
            yield from _lines_or_items(first, lines, path, name, skipped, marked)
        return
    yield from _lines_or_items(first, lines, path, name, skipped)


def _lines_or_items(
    first: bytes | None,
    lines: Iterator[bytes | None],
    path: str,
    name: str,
    skipped: SkipCount,
    marked: str = "",
) -> Iterator[tuple[int, tuple[str, dict[str, Any]]]]:
    start = (first or b"").removeprefix(_BOM)
    if path != "-" and is_array(start):
        yield from json_items(path, name, skipped, marked)
        return
    if path != "-" and start.strip() == b"{" and (found := whole_object(path)) is not None:
        many = f"{name}, item " if len(found) > 1 else name
        yield from ((n, (many + str(n) if len(found) > 1 else many, row)) for n, row in enumerate(found, 1))
        return
    reader = _Lines(path, name, skipped)
    for number, line in enumerate(itertools.chain([start if first is not None else None], lines), 1):
        place = f"{name}, line {number}"
        if (value := reader.parsed(line, place)) is not None:
            yield number, (place, value)


class _Lines:
    """Parses the lines of one file."""

    def __init__(self, path: str, name: str, skipped: SkipCount) -> None:
        self._path, self._name, self._skipped = path, name, skipped
        self._encoding: str | None = None
        """Encoding of lines that are not UTF-8; None until the first such line."""

    def parsed(self, line: bytes | None, place: str) -> dict[str, Any] | None:
        """Returns the object of a line; None for an empty line, and for one that was counted as skipped."""
        if line is None:
            self._skipped.add(TOO_LONG, place)
            return None
        if not line or line.isspace():
            return None
        try:
            return _parse(self._text(line))
        except BadRecord as fault:
            self._skipped.add(str(fault), place)
            return None

    def _text(self, line: bytes) -> str:
        """Returns the text of a line. Raises BadRecord."""
        try:
            return line.decode()
        except UnicodeDecodeError:
            encoding = self._other(line)
        try:
            return line.decode(encoding or "ascii")
        except UnicodeDecodeError:
            raise BadRecord(NOT_UTF8 if encoding else unknown()) from None

    def _other(self, line: bytes) -> str:
        """Returns the encoding of the file's lines that are not UTF-8; empty if unknown."""
        if self._encoding is None:
            self._encoding = self._guessed() if self._path != "-" else guessed_encoding([line])
            if self._encoding:
                self._skipped.note(noted(self._encoding), self._name)
        return self._encoding

    def _guessed(self) -> str:
        try:
            with open_binary(self._path) as stream:
                return guessed_encoding(line for line in lines_of(stream) if line)
        except DataError:
            return ""


def _parse(line: str) -> dict[str, Any]:
    """Returns the JSON object of a line. Raises BadRecord if the line is not a valid object."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRecord("not valid JSON") from None
    if not isinstance(value, dict):
        raise BadRecord("not a JSON object")
    return value
