"""Writes rows as JSON Lines or Parquet, one block in memory at a time.

The output file appears only when it is complete.
"""

from __future__ import annotations

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
"""Column name -> kind of its values."""
BLOCK = 500
"""Rows per block, which is a Parquet row group. The number is low, because token rows are long."""


def write(output: str, columns: Columns, rows: Iterable[dict[str, Any]]) -> int:
    """Writes all rows to a file, or for `-` to standard output; returns their number.

    If `rows` raises, no file is written.
    """
    if output == "-":
        return write_json_lines(output, rows)
    clear_leftovers(Path(output))
    if output.endswith(".parquet"):
        return _write_parquet(Path(output), columns, rows)
    return write_json_lines(output, rows)


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
            del block  # frees the block's memory before the next block is collected
    return count


def _schema(columns: Columns) -> Any:
    """Returns the Arrow schema of the columns."""
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
    """Removes temporary files that killed exports to the same `path` left; keeps files of processes that
    still run."""
    for leftover in _leftovers(path):
        process = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.tmp", leftover.name)
        if process and not _is_running(int(process[1])):
            remove(leftover)


def _leftovers(path: Path) -> Iterator[Path]:
    return path.absolute().parent.glob(f".{glob.escape(path.name)}.*.tmp")


def _is_running(process: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(process, 0)
    except PermissionError:  # the process exists, but belongs to another user
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
