"""JSON Lines: one object a line, UTF-8, packed or not, from a file or standard input.

A line is bytes until it is parsed, so that one line of another encoding costs one record. No more than `MAX_RECORD` bytes of a line are held.
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
    """The objects of a file (`-`: standard input), each with its place. What cannot be read is counted, also a file that breaks off."""
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
        skipped.add(broken_off(error), f"{name}, after line {number}" if number else name)


def broken_off(error: DataError) -> str:
    """The reason to count a file by that could not be read to its end, or not at all."""
    cause = error.__cause__
    detail = (
        cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause or error)
    ).rstrip(".")
    return f"a file that breaks off or is damaged ({' '.join(detail.split())})"


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Lines of at most `MAX_RECORD` bytes; None for a longer one, of which no more than that is held."""
    readline = stream.readline
    while line := readline(MAX_RECORD + 1):
        if len(line) <= MAX_RECORD:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = readline(MAX_RECORD)
        yield None


def _parse(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadRecord("not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise BadRecord("not valid JSON") from None
    if not isinstance(value, dict):
        raise BadRecord("not a JSON object")
    return value
