"""Reads Parquet files.

The columns are those of layouts/fields.py, and optionally links (structs of start, end, target). The columns
of `wikimedia/wikipedia` (id, url, title, text) work unchanged. Row groups are decoded one at a time, and only
these columns are decoded. A row without an id gets FILE#ROW. A damaged row group is counted, and reading
continues with the next.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from masksearch.corpus.jsonl import damage_reason
from masksearch.corpus.layouts import MADE
from masksearch.corpus.layouts.fields import columns, text_columns
from masksearch.corpus.skipped import SkipCount
from masksearch.errors import DataError, MissingExtraError
from masksearch.runtime.files import PACKED, open_binary

BATCH = 64
"""Number of rows decoded at a time."""


def read_parquet(
    path: str, label: str, skipped: SkipCount, fields: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the rows of a file with their places; `label` is the file's name in ids, `fields` the names of
    columns that the user gives.

    Raises MissingExtraError if pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise MissingExtraError("pyarrow", "readers", "A .parquet file") from error
    number = 0
    try:
        # The file is buffered and read without read-ahead, so that memory never holds a whole column chunk
        # of hundreds of megabytes.
        with (
            _seekable(path) as stream,
            ParquetFile(
                stream, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True
            ) as file,
        ):
            names = file.schema_arrow.names
            if text_columns(fields).isdisjoint(names):
                skipped.add(f"a Parquet file without the column '{fields.get('text', 'text')}'", path)
                return
            wanted = columns(fields)
            chosen = [name for name in names if name in wanted]
            for group in range(file.num_row_groups):
                first = number
                number += file.metadata.row_group(group).num_rows
                try:
                    yield from _group_rows(file, group, chosen, first, path, label, skipped)
                except (pyarrow.ArrowException, OSError) as error:
                    skipped.add(f"a damaged row group ({_phrase(error)})", f"{path}, row group {group + 1}")
    except DataError as error:
        skipped.add(damage_reason(error), path)
    except (pyarrow.ArrowException, OSError) as error:
        skipped.add(f"a file that is not Parquet or is damaged ({_phrase(error)})", path)


def _group_rows(
    file: Any, group: int, chosen: list[str], row: int, path: str, label: str, skipped: SkipCount
) -> Iterator[tuple[str, dict[str, Any]]]:
    for batch in file.iter_batches(batch_size=BATCH, row_groups=[group], columns=chosen, use_threads=False):
        for value in _values(batch):
            row += 1
            place = f"{path}, row {row}"
            if value is None:
                skipped.add("not UTF-8 text", place)
                continue
            if value.get("id") is None:
                value[MADE] = f"{label}#{row}"
            yield place, value


def _values(batch: Any) -> list[dict[str, Any] | None]:
    """Returns the rows of a batch. A row with a string that is not UTF-8, which Parquet allows, becomes
    None."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        rows: list[dict[str, Any] | None] = []
        for number in range(batch.num_rows):
            try:
                rows += batch.slice(number, 1).to_pylist()
            except UnicodeDecodeError:
                rows.append(None)
        return rows


@contextlib.contextmanager
def _seekable(path: str) -> Iterator[IO[bytes] | str]:
    """Opens the path, or a temporary decompressed copy, because a Parquet file is read from its end."""
    if Path(path).suffix not in PACKED:
        yield path
        return
    with tempfile.TemporaryFile() as whole:
        with open_binary(path) as stream:
            shutil.copyfileobj(stream, whole, 1 << 20)
        whole.seek(0)
        yield whole


def _phrase(error: Exception) -> str:
    """Returns an Arrow message without the parts that differ from file to file, so that the same damage is
    counted under one reason."""
    return " ".join(str(error).split()).split(":")[0].rstrip(".")
