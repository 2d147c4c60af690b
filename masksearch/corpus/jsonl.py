"""Reads JSON Lines: one object per line, UTF-8, compressed or not, from a file or standard input.

Lines are decoded one at a time, so that a line in another encoding loses only one record. At most
`MAX_RECORD` bytes of a line are held in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, BadRecord, SkipCount
from masksearch.errors import DataError
from masksearch.runtime.files import open_binary

_BOM = b"\xef\xbb\xbf"


def read_json_objects(path: str, skipped: SkipCount) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the objects of a file (`-`: standard input) with their places.

    Counts unreadable lines, and a truncated or damaged file, in `skipped`.
    """
    name = "Standard input" if path == "-" else path
    number = 0
    try:
        with open_binary(path) as stream:
            for number, line in enumerate(_lines(stream), 1):
                place = f"{name}, line {number}"
                if line is None:
                    skipped.add(TOO_LONG, place)
                    continue
                line = line.removeprefix(_BOM) if number == 1 else line
                if not line or line.isspace():
                    continue
                try:
                    value = _parse(line)
                except BadRecord as fault:
                    skipped.add(str(fault), place)
                    continue
                yield place, value
    except DataError as error:
        skipped.add(damage_reason(error), f"{name}, after line {number}" if number else name)


def damage_reason(error: DataError) -> str:
    """Returns the reason under which an unreadable file, or a file with an unreadable end, is counted as
    skipped."""
    cause = error.__cause__
    detail = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause or error)
    return f"a file that is truncated or damaged ({' '.join(detail.rstrip('.').split())})"


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yields lines of at most `MAX_RECORD` bytes, and None for a longer line, which it reads in pieces."""
    readline = stream.readline
    while line := readline(MAX_RECORD + 1):
        if len(line) <= MAX_RECORD:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = readline(MAX_RECORD)
        yield None


def _parse(line: bytes) -> dict[str, Any]:
    """Returns the JSON object of a line. Raises BadRecord if the line is not a valid object."""
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadRecord("not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise BadRecord("not valid JSON") from None
    if not isinstance(value, dict):
        raise BadRecord("not a JSON object")
    return value
