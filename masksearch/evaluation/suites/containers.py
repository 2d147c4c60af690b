"""Rows of a local file, whatever it is packed in: the container is told from the content, never from the name.

    Parquet         begins with PAR1
    a JSON list     begins with [
    JSON Lines      begins with {
    CSV or TSV      has one of the known headers; FreshQA's sheets have a few lines of remarks before it

A file is read as a whole. A row that does not fit is an error with its line, row or record number; only blank lines are passed over.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, FormatError, MissingExtraError
from masksearch.evaluation.suites.rows import Row
from masksearch.runtime.files import open_binary
from masksearch.runtime.records import read_rows

HEADERS: Mapping[str, frozenset[str]] = {
    "bamboogle": frozenset({"Question", "Answer"}),
    "frames": frozenset({"Prompt", "Answer"}),
    "freshqa": frozenset({"question", "answer_0"}),
}
"""Suites published as sheets -> column names that tell their header."""
PREAMBLE = 20
"""Most lines of remarks before a FreshQA header."""
INDEX = "Unnamed: 0"
"""What a first column without a name is called (as pandas and the hub call it)."""


def read_file(path: str) -> Iterator[Row]:
    """The rows of a file, of a folder of shards of ours, or of standard input (`-`).

    Raises DataError where it is missing, unreadable or empty, FormatError at a row that is not right, MissingExtraError.
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
        yield from _json_lines(text, name)
    else:
        yield from _sheet(text, name)


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8 text ({error.reason} at byte {error.start}); convert it, for example with iconv."
        ) from error


def _json_list(text: str, name: str) -> Iterator[Row]:
    for number, value in enumerate(_parsed(text, name)):
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
                    f"{name} is one JSON object, but a list of questions is needed, or one question a line."
                ) from error
            raise FormatError(f"{name}, line {line} is not valid JSON ({error}).") from error
        yield _json_row(value, f"{name}, line {line}", number)
        number += 1


def _is_broken(text: str) -> bool:
    """Whether a text is no JSON even as a whole."""
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
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of thousands of digits, or lists in lists in lists
        raise FormatError(f"{name} is not valid JSON ({str(error).splitlines()[0].rstrip('.')}).") from error
    return list(value)


def _json_row(value: Any, place: str, number: int) -> Row:
    if not isinstance(value, dict):
        raise FormatError(f"{place} is not a JSON object but a {type(value).__name__}.")
    return Row(place, number, value)


def _sheet(text: str, name: str) -> Iterator[Row]:
    """The rows below the header; each cell is text, and an empty one is None. A row has as many cells as the header."""
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
            raise FormatError(
                f"{place} is not valid {'CSV' if delimiter == ',' else 'TSV'} ({error}); check the quotes there."
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield Row(place, number, _named(cells, columns, place))
            number += 1


def _header(text: str, name: str) -> tuple[int, str, list[str]]:
    """Lines above the header, delimiter, column names. Only FreshQA's header may stand below lines with something in them."""
    remarks = False
    for above, line in enumerate(text.split("\n", PREAMBLE + 1)[: PREAMBLE + 1]):
        for delimiter in ",\t":
            columns = _columns(line, delimiter)
            suites = [suite for suite, needed in HEADERS.items() if needed <= set(columns)]
            if suites and (not remarks or suites == ["freshqa"]):
                if twice := [column for column in columns if column and columns.count(column) > 1]:
                    raise FormatError(f"{name}, line {above + 1} names the column '{twice[0]}' twice.")
                return above, delimiter, columns
        remarks = remarks or bool(line.strip(", \t\r"))
    known = "; ".join(f"{', '.join(sorted(columns))} ({suite})" for suite, columns in HEADERS.items())
    raise FormatError(
        f"{name} is neither JSON nor Parquet, and no sheet with the columns of one that is known ({known}); check that it is the published file."
    )


def _columns(line: str, delimiter: str) -> list[str]:
    """The cells of a line; none where it is no line of a sheet."""
    try:
        return [cell.strip() for cell in next(csv.reader([line.rstrip("\r")], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _named(cells: Sequence[str], columns: Sequence[str], place: str) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise FormatError(
            f"{place} has {len(cells)} cells, but the header has {len(columns)}; check the quotes and delimiters there."
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
