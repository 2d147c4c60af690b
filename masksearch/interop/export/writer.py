"""Rows to JSON Lines or Parquet, a block in memory at a time; the file appears whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from masksearch.runtime.files import atomic_path, remove, write_json_lines
from masksearch.runtime.records import check_parquet

Columns = dict[str, Literal["text", "tokens", "messages", "conversations", "reward", "extra"]]
"""Name of a column -> what is in it."""
BLOCK = 500
"""Rows of a Parquet group: rows of tokens are long."""


def write(output: str, columns: Columns, rows: Iterable[dict[str, Any]]) -> int:
    """Writes all rows to a file, or for `-` to standard output; returns how many. Where `rows` raises, nothing is written."""
    if output == "-":
        return write_json_lines(output, rows)
    clear_leftovers(Path(output))
    return (
        _write_parquet(Path(output), columns, rows)
        if output.endswith(".parquet")
        else write_json_lines(output, rows)
    )


def _write_parquet(path: Path, columns: Columns, rows: Iterable[dict[str, Any]]) -> int:
    check_parquet()
    import pyarrow
    from pyarrow import parquet

    schema, count, iterator = _schema(columns), 0, iter(rows)
    with (
        atomic_path(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        while block := list(itertools.islice(iterator, BLOCK)):
            writer.write_table(pyarrow.Table.from_pylist(block, schema=schema))
            count += len(block)
            del block  # or it would stay until the next one is whole
    return count


def _schema(columns: Columns) -> Any:
    import pyarrow as arrow

    text = arrow.string()
    truth = arrow.struct([("target", arrow.list_(text))])
    kinds = {
        "text": text,
        "tokens": arrow.list_(arrow.int32()),
        "messages": arrow.list_(arrow.struct([("role", text), ("content", text)])),
        "conversations": arrow.list_(arrow.struct([("from", text), ("value", text)])),
        "reward": arrow.struct([("style", text), ("ground_truth", truth)]),
        "extra": arrow.struct([("index", arrow.int64()), ("id", text), ("task", text)]),
    }
    return arrow.schema([(name, kinds[kind]) for name, kind in columns.items()])


def clear_leftovers(path: Path) -> None:
    """Removes what killed runs have left of this file; a run that is still at work is left alone."""
    for leftover in _leftovers(path):
        number = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.tmp", leftover.name)
        if number and not _runs(int(number[1])):
            remove(leftover)


def _leftovers(path: Path) -> Iterator[Path]:
    return path.absolute().parent.glob(f".{glob.escape(path.name)}.*.tmp")


def _runs(process: int) -> bool:
    with contextlib.suppress(PermissionError):
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True
