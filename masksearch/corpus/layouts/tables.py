"""Reads CSV and TSV files, such as DPR's psgs_w100.tsv (id, text, title): one record a row.

The first row names the columns if it holds a known name or one that the user gives; a TSV of two columns
without such a row is an id with its text (MS MARCO's collection.tsv). A user can also give columns by number:
`text=3`. Quotes are read as CSV has them, unless they do not fit the columns: then they belong to the text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from masksearch.corpus.encodings import Recoded, guessed_encoding, marked_encoding, noted
from masksearch.corpus.jsonl import damage_reason
from masksearch.corpus.layouts import MADE
from masksearch.corpus.layouts.fields import IDS, KNOWN, LANGUAGES, TEXTS, TITLES, columns, text_columns
from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, SkipCount
from masksearch.errors import DataError
from masksearch.runtime.files import open_binary

TABLES: Final = (".csv", ".tsv")
HEAD: Final = 2**18
"""Number of bytes from which delimiter, quotes and columns are found."""
ROWS: Final = 200
"""Number of rows from which quotes are found."""
_KNOWN = frozenset((*IDS, *TITLES, *TEXTS, *LANGUAGES))


@dataclass(frozen=True)
class _Format:
    """How a table is written."""

    encoding: str
    delimiter: str
    quoted: bool
    names: tuple[str, ...]
    """Names of the columns; where the table has no row of names, those that its layout or the user gives."""
    headed: bool
    """Whether the first row names the columns."""

    def rows(self, lines: Iterator[str], strict: bool = False) -> Iterator[list[str]]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD))
        if self.quoted:
            return csv.reader(lines, delimiter=self.delimiter, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)


def read_table(
    path: str, label: str, skipped: SkipCount, suffix: str, fields: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the rows of a table with their places, as records with the columns' names.

    `suffix` is the ending of its name, without that of a compressed file. Rows that do not fit the columns
    and damaged files are counted in `skipped`.
    """
    number = 0
    try:
        form = _format(path, suffix, fields)
        if isinstance(form, str):
            skipped.add(form, path)
            return
        if form.encoding not in ("utf-8", "utf-8-sig"):
            skipped.note(noted(form.encoding), path)
        with open_binary(path) as stream:
            recoded: Any = io.BufferedReader(Recoded(stream, form.encoding)) if _other(form) else stream
            lines = io.TextIOWrapper(recoded, "utf-8", errors="surrogateescape", newline="")
            for number, row in _numbered_rows(form, lines, path, skipped):
                place = f"{path}, row {number}"
                if row is None:
                    continue
                if len(row) != len(form.names) and (form.headed or len(row) < len(form.names)):
                    skipped.add("a row with another number of columns than the first", place)
                    continue
                yield place, {MADE: f"{label}#{number}", **_cells(form.names, row)}
            lines.detach()
    except DataError as error:
        skipped.add(damage_reason(error), f"{path}, after row {number}" if number else path)
    except UnicodeDecodeError:
        skipped.add("not UTF-8 text", f"{path}, after row {number}" if number else path)


def _other(form: _Format) -> bool:
    return form.encoding != "utf-8"


def _cells(names: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """Returns the cells of a row; an empty one is none."""
    return {name: cell if cell != "" else None for name, cell in zip(names, row, strict=False) if name}


def _numbered_rows(
    form: _Format, lines: Any, path: str, skipped: SkipCount
) -> Iterator[tuple[int, list[str] | None]]:
    """Yields the rows below the names, numbered from 1; None for one that is too long."""
    rows, number = form.rows(lines), 0
    if form.headed:
        next(rows, None)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            number += 1
            skipped.add(TOO_LONG, f"{path}, row {number}")
            yield number, None
            continue
        if row:
            number += 1
            yield number, row


def _format(path: str, suffix: str, fields: Mapping[str, str]) -> _Format | str:
    """Returns how a table is written, or the reason why it cannot be read."""
    with open_binary(path) as stream:
        data = stream.read(HEAD)
    whole = len(data) < HEAD
    encoding = marked_encoding(data)
    if not encoding:
        lines = data.splitlines(keepends=True)
        encoding = guessed_encoding(lines if whole else lines[:-1]) or "utf-8"
    text = data.decode(encoding, "ignore")
    if not whole:
        text = text[: text.rfind("\n") + 1] or text
    start = text.lstrip("\ufeff")
    if not start.strip():
        return "a table without rows"
    delimiter = _delimiter(start.split("\n", 1)[0], suffix)
    form = _with_quotes(_Format(encoding, delimiter, True, (), True), start, whole)
    first = next((row for row in form.rows(iter(start.splitlines(keepends=True))) if row), [])
    return _named(form, first, suffix, fields)


def _delimiter(line: str, suffix: str) -> str:
    """Returns what separates the columns: a tabulator in a TSV, in a CSV the most frequent of three."""
    return "\t" if suffix == ".tsv" else max(",;\t", key=line.count)


def _with_quotes(form: _Format, text: str, whole: bool) -> _Format:
    """Returns the format whose quotes fit: read as quotes, all rows have as many columns as the first.

    `whole` says that the text is the whole table; otherwise its last row may be cut.
    """
    lines = text.splitlines(keepends=True)
    for quoted in (True, False):
        tried = replace(form, quoted=quoted)
        widths: list[int] = []
        try:
            for row in islice(tried.rows(iter(lines), strict=True), ROWS):
                widths += [len(row)] if row else []
        except csv.Error as error:
            if whole or "end of data" not in str(error):
                continue
        widths = widths if whole else widths[:-1]
        if len(set(widths)) <= 1 and widths:
            return tried
    return form


def _named(form: _Format, first: list[str], suffix: str, fields: Mapping[str, str]) -> _Format | str:
    """Returns the format with the names of the columns, or the reason why it has no column of text."""
    given = columns(fields) - KNOWN
    names = tuple(_name(cell.strip(), given) for cell in first)
    if any(name.isdigit() for name in fields.values()):
        numbers = tuple(str(number) for number in range(1, len(first) + 1))
        headed = not _KNOWN.isdisjoint(names)
        return replace(form, names=numbers, headed=headed)
    if not text_columns(fields).isdisjoint(names):
        return replace(form, names=names)
    if suffix == ".tsv" and not fields and _id_and_text(first):
        return replace(form, names=("id", "text"), headed=False)
    return "a table without a column of text (name one with --fields text=NAME, or by its number)"


def _id_and_text(row: list[str]) -> bool:
    """Whether the first row of a table without names is an id and a text."""
    return len(row) == 2 and " " not in row[0].strip() and len(row[1].split()) > 2


def _name(cell: str, given: frozenset[str]) -> str:
    """Returns the name of a column; known ones in small letters, unless the user writes them otherwise."""
    return cell.lower() if cell not in given and cell.lower() in _KNOWN else cell
