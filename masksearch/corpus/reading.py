"""Documents from JSON Lines files, folders of them, standard input, or the packaged Wikipedia summaries.

One bad record does not end the reading of a large corpus: it is passed over and counted, with the first example of each
reason. A source without a single good record is an error that names file and line.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from masksearch.corpus.packaged import PREFIX, read_summaries
from masksearch.errors import DataError, FormatError
from masksearch.types import Document

SUFFIXES = (".jsonl", ".json", ".ndjson")
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}


@dataclass
class SkipCount:
    """Records passed over, by reason, with where the first of each was met."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    """reason -> "FILE, line N" """

    def add(self, reason: str, where: str) -> None:
        """Counts one record."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.examples.setdefault(reason, where)

    @property
    def total(self) -> int:
        """Records passed over in all."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """For example: `2 records skipped: 2 not valid JSON (first: docs.jsonl, line 7)`; empty if there were none."""
        if not self.total:
            return ""
        parts = [f"{count} {reason} (first: {self.examples[reason]})" for reason, count in self.counts.items()]
        return f"{self.total} record{'s' if self.total > 1 else ''} skipped: {'; '.join(parts)}"


class _Bad(Exception):
    """A record that is passed over; the message is the reason."""


def read_documents(source: str, limit: int | None = None, skipped: SkipCount | None = None) -> Iterator[Document]:
    """The documents of a source, at most `limit`: a `.jsonl`/`.json` file (plain, `.gz`, `.bz2`), a folder of such files in
    the order of their names, `-` for standard input, or `wiki-summaries` (`:en`, `:es`, `:fr`). Fields: id, title, text.

    Raises DataError for a missing, unreadable or empty source, FormatError when it has no valid record, MissingExtraError
    when the packaged text is not installed.
    """
    skipped = SkipCount() if skipped is None else skipped
    before = skipped.total
    records = read_summaries(source) if source == PREFIX or source.startswith(PREFIX + ":") else _file_records(source)
    seen: set[str] = set()
    for where, raw in records:
        if limit is not None and len(seen) >= limit:
            return
        try:
            document = _document(raw, seen)
        except _Bad as fault:
            skipped.add(str(fault), where)
            continue
        seen.add(document.id)
        yield document
    if not seen and skipped.total == before:
        raise DataError(f"{_name(source)} is empty: it holds no documents.")
    if not seen:
        reason, where = next(iter(skipped.examples.items()))
        if list(skipped.counts) == ["not UTF-8 text"]:
            raise DataError(f"{_name(source)} is not UTF-8 text ({where}); convert it, for example with iconv.")
        raise FormatError(f"{_name(source)} holds no valid document: {where} is {reason}; each line must be an object with the fields id, title and text.")


def _document(raw: bytes | dict[str, Any], seen: set[str]) -> Document:
    value = _parse(raw) if isinstance(raw, bytes) else raw
    for name in ("id", "title", "text"):
        if name not in value:
            raise _Bad(f"a record that lacks the field '{name}'")
    number = value["id"]
    if isinstance(number, int | float) and not isinstance(number, bool):
        value = {**value, "id": str(number)}
    try:
        document = Document.model_validate(value)
    except ValidationError as error:
        raise _Bad(f"a record with a bad field '{error.errors()[0]['loc'][0]}'") from None
    try:
        f"{document.id}{document.title}{document.text}".encode()
    except UnicodeEncodeError:  # half of a surrogate pair, written as an escape
        raise _Bad("a record with characters that are not valid text") from None
    if not document.text.strip():
        raise _Bad("a record with an empty text")
    if document.id in seen:
        raise _Bad("a record with an id that was used before")
    return document


def _parse(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise _Bad("not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise _Bad("not valid JSON") from None
    if not isinstance(value, dict):
        raise _Bad("not a JSON object")
    return value


def _name(source: str) -> str:
    return "Standard input" if source == "-" else source


def _file_records(source: str) -> Iterator[tuple[str, bytes]]:
    """Lines that are not blank, each with its place for a message. Bytes, so that one line of another encoding costs one record."""
    for file in _files(source):
        with _open(file) as stream:
            for number, line in enumerate(stream, 1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield f"{_name(file)}, line {number}", line


def _files(source: str) -> list[str]:
    path = Path(source)
    if source == "-":
        return [source]
    if not path.exists():
        raise DataError(f"There is no file or folder {source}; check the path (or write {PREFIX}:en for the packaged Wikipedia summaries).")
    if not path.is_dir():
        if path.suffix in (".parquet", ".xml", ".zst", ".zip", ".txt", ".csv", ".pdf") or path.suffixes[-2:-1] == [".xml"]:
            raise DataError(f"{source} is of a kind that cannot be read; convert it to JSON Lines with the fields id, title and text (.jsonl, .jsonl.gz).")
        return [source]
    names = sorted(str(entry) for entry in path.iterdir() if entry.is_file() and _is_json_lines(entry))
    if not names:
        raise DataError(f"The folder {source} holds no {' or '.join(SUFFIXES)} files (plain, .gz or .bz2).")
    return names


def _is_json_lines(path: Path) -> bool:
    inner = path.with_suffix("") if path.suffix in _OPENERS else path
    return inner.suffix in SUFFIXES and not path.name.startswith(".")


@contextlib.contextmanager
def _open(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with _OPENERS.get(Path(file).suffix, open)(file, "rb") as stream:
            yield stream
    except (EOFError, OSError) as error:
        raise DataError(f"{file} could not be read: {error}.") from error
