"""Reads the rows of a local question file.

The format is detected from the content of the file, never from its name:

    Parquet         starts with PAR1
    a JSON list     starts with [, or is the list `Data` of an object (TriviaQA)
    JSON Lines      starts with {
    CSV or TSV      has one of the known headers; FreshQA's sheets have a few lines of remarks above it

A file is read into memory as a whole. An invalid row raises an error that names its line, row or record
number. Only blank lines are skipped.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, FormatError, MissingExtraError
from masksearch.evaluation.suites.rows import Row
from masksearch.evaluation.suites.sheets import HEADERS, INDEX
from masksearch.runtime.files import open_binary
from masksearch.runtime.records import read_rows

PREAMBLE = 20
"""Maximum number of lines of remarks above a FreshQA header."""


def read_file(path: str) -> Iterator[Row]:
    """Yields the rows of a file, of a folder of shards in our format, or of standard input (`-`).

    Raises DataError for a file that is missing, unreadable or empty, FormatError at an invalid row, and
    MissingExtraError for a Parquet file if the package pyarrow is not installed.
    """
    if path != "-" and Path(path).is_dir():
        for number, (place, value) in enumerate(read_rows(path)):
            yield Row(place, number, value)
        return
    with open_binary(path) as stream:
        data = stream.read()
    name = "Standard input" if path == "-" else path
    if data[:4] == b"PAR1":
        yield from _parquet(data, name)
        return
    text = _decoded(data, name)
    start = text.lstrip()[:1]
    if not start:
        raise DataError(f"{name} is empty: it holds no questions.")
    if start == "[":
        yield from _json_list(text, name)
    elif start == "{":
        listed = _listed_inside(text)
        yield from _json_lines(text, name) if listed is None else _records(listed, name)
    else:
        yield from _sheet(text, name)


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8 text ({error.reason} at byte {error.start}); "
            "convert it, for example with iconv."
        ) from error


def _listed_inside(text: str) -> list[Any] | None:
    """Returns the records of a file that is one object with a list `Data`; None for other files."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    listed = value.get("Data") if isinstance(value, dict) else None
    return listed if isinstance(listed, list) else None


def _json_list(text: str, name: str) -> Iterator[Row]:
    yield from _records(_parsed(text, name), name)


def _records(values: Sequence[Any], name: str) -> Iterator[Row]:
    for number, value in enumerate(values):
        yield _json_row(value, f"{name}, record {number + 1}", number)


def _json_lines(text: str, name: str) -> Iterator[Row]:
    number = 0
    for line, content in enumerate(text.split("\n"), 1):
        if not content or content.isspace():
            continue
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            if number == 0 and not _is_broken(text):
                raise FormatError(
                    f"{name} is one JSON object; "
                    "it must be a list of questions, or have one question on each line."
                ) from error
            raise FormatError(f"{name}, line {line} is not valid JSON ({error}).") from error
        yield _json_row(value, f"{name}, line {line}", number)
        number += 1


def _is_broken(text: str) -> bool:
    """Whether a text is not one valid JSON value.

    Tells a damaged JSON Lines file from a file that is a single JSON object on several lines.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False


def _parsed(text: str, name: str) -> list[Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{name}, line {error.lineno} is not valid JSON ({error.msg}, column {error.colno})."
        ) from error
    except (ValueError, RecursionError) as error:
        # Python's JSON reader raises these errors for a number with thousands of digits and for deeply
        # nested lists.
        raise FormatError(f"{name} is not valid JSON ({str(error).splitlines()[0].rstrip('.')}).") from error
    return list(value)


def _json_row(value: Any, place: str, number: int) -> Row:
    if not isinstance(value, dict):
        raise FormatError(f"{place} is not a JSON object but a {type(value).__name__}.")
    return Row(place, number, value)


def _sheet(text: str, name: str) -> Iterator[Row]:
    """Yields the rows of a CSV or TSV sheet below its header. Each cell is text, or None if it is blank.

    Raises FormatError for a row with more or fewer cells than the header.
    """
    above, delimiter, columns = _header(text, name)
    first = above + 2
    reader = csv.reader(
        io.StringIO("".join(text.split("\n", above + 1)[above + 1 :]), newline=""),
        delimiter=delimiter,
        strict=True,
    )
    number = 0
    while True:
        place = f"{name}, line {first + reader.line_num}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            kind = "CSV" if delimiter == "," else "TSV"
            raise FormatError(f"{place} is not valid {kind} ({error}); check its quotes.") from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield Row(place, number, _named(cells, columns, place))
            number += 1


def _header(text: str, name: str) -> tuple[int, str, list[str]]:
    """Returns the number of lines above the header, the delimiter and the column names.

    Only FreshQA's header may have non-blank lines (remarks) above it. In any other sheet, such a line is
    probably a misplaced row, so the sheet is rejected.
    """
    remarks = False
    for above, line in enumerate(text.split("\n", PREAMBLE + 1)[: PREAMBLE + 1]):
        for delimiter in ",\t":
            columns = _columns(line, delimiter)
            suites = [suite for suite, needed in HEADERS.items() if needed <= set(columns)]
            if suites and (not remarks or suites == ["freshqa"]):
                if duplicates := [column for column in columns if column and columns.count(column) > 1]:
                    raise FormatError(f"{name}, line {above + 1} names the column '{duplicates[0]}' twice.")
                return above, delimiter, columns
        remarks = remarks or bool(line.strip(", \t\r"))
    known = "; ".join(f"{', '.join(sorted(columns))} ({suite})" for suite, columns in HEADERS.items())
    raise FormatError(
        f"{name} is neither JSON nor Parquet, nor a sheet with known columns ({known}); "
        "check that it is the published file."
    )


def _columns(line: str, delimiter: str) -> list[str]:
    """Returns the cells of a line; an empty list if the line is not valid CSV or TSV."""
    try:
        return [cell.strip() for cell in next(csv.reader([line.rstrip("\r")], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _named(cells: Sequence[str], columns: Sequence[str], place: str) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise FormatError(
            f"{place} has {len(cells)} cells, but the header has {len(columns)}; "
            "check its quotes and delimiters."
        )
    values: dict[str, Any] = {}
    for index, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        if column or index == 0:
            values[column or INDEX] = cell if cell.strip() else None
        elif cell.strip():
            raise FormatError(f"{place} has a cell in column {index + 1}, which has no name in the header.")
    return values


def _parquet(data: bytes, name: str) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtraError("pyarrow", "readers", "A Parquet file") from error
    number = 0
    try:
        with ParquetFile(pyarrow.BufferReader(data)) as file:
            for batch in file.iter_batches(batch_size=1000):
                for value in batch.to_pylist():
                    yield Row(f"{name}, row {number + 1}", number, value)
                    number += 1
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{name} could not be read as Parquet: {' '.join(str(error).split()).rstrip('.')}."
        ) from error
