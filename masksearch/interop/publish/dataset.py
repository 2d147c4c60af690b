"""Writes tasks, questions or trajectories as Parquet files that MaskSearch reads again, and counts them.

Records of trajectories keep their fields. Their `task` and `scores` are JSON in strings, because their fields
differ from row to row; `question` and `answers` repeat the task's for viewers.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from masksearch.errors import DataError
from masksearch.interop.export.exportable import as_task, as_trajectory, is_trajectory, read_all
from masksearch.runtime.files import atomic_path
from masksearch.runtime.records import check_parquet, write_task_parquet
from masksearch.types import MaskedTask, Task, Trajectory

What = Literal["tasks", "questions", "trajectories"]
PER_FILE = 50_000
"""Maximum number of rows per file."""
GROUP = 2000
"""Rows of a Parquet row group of trajectories."""


@dataclass
class Counted:
    """What a data set holds."""

    what: What
    rows: int = 0
    files: list[str] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Name of a table -> value -> number of rows."""
    languages: Counter[str] = field(default_factory=Counter)
    example: dict[str, Any] = field(default_factory=dict)
    """The first record."""

    def add(self, table: str, value: str) -> None:
        """Counts a value."""
        self.counts.setdefault(table, Counter())[value] += 1


def write_dataset(source: Path, folder: Path) -> Counted:
    """Writes the records of a file or a folder of shards to Parquet files in `folder`; returns their counts.

    Raises DataError and FormatError for a file that holds neither tasks nor trajectories.
    """
    check_parquet()
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_all([str(source)])
    first = next(rows)
    everything = itertools.chain([first], rows)
    if is_trajectory(first[1]):
        counted = Counted("trajectories")
        records: Iterator[dict[str, Any]] = _trajectories(everything, counted)
    else:
        counted = Counted("tasks" if isinstance(as_task(*first), MaskedTask) else "questions")
        records = _tasks(everything, counted)
    number = 0
    while (start := next(records, None)) is not None:
        block = itertools.chain([start], itertools.islice(records, PER_FILE - 1))
        path = folder / f"{counted.what}-{number:05}.parquet"
        counted.files.append(path.name)
        if counted.what == "trajectories":
            _write_trajectories(path, block)
        elif counted.what == "tasks":
            write_task_parquet(path, block)
        else:
            _write(path, _question_schema(), block)
        number += 1
    return counted


def _tasks(rows: Iterable[tuple[str, dict[str, Any]]], counted: Counted) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for place, value in rows:
        task = as_task(place, value)
        if task.id in seen:
            raise DataError(f"{place} repeats the id '{task.id}'; ids must be unique.")
        seen.add(task.id)
        _count_task(task, counted)
        record = task.to_json()
        _keep(record, counted)
        yield record


def _count_task(task: Task, counted: Counted) -> None:
    if isinstance(task, MaskedTask):
        counted.add("masks", str(task.masks))
        for category in task.categories:
            counted.add("category of an answer", category)
        counted.languages[task.language or "en"] += 1
    else:
        counted.languages["en"] += 1
        if task.type:
            counted.add("type", task.type)
    if task.shape:
        counted.add("shape", task.shape)


def _keep(record: dict[str, Any], counted: Counted) -> None:
    counted.rows += 1
    counted.example = counted.example or record


def _trajectories(rows: Iterable[tuple[str, dict[str, Any]]], counted: Counted) -> Iterator[dict[str, Any]]:
    for place, value in rows:
        trajectory, task = as_trajectory(place, value)
        _count_trajectory(trajectory, task, counted)
        _keep(trajectory.to_json(), counted)
        yield trajectory_row(trajectory, task)


def _count_trajectory(trajectory: Trajectory, task: Task, counted: Counted) -> None:
    counted.add("ended", trajectory.status)
    counted.add("searches", str(trajectory.usage.searches))
    counted.add("written by", trajectory.model or "not recorded")
    counted.add("task", "RAMP" if isinstance(task, MaskedTask) else "question")
    counted.languages[(task.language if isinstance(task, MaskedTask) else "") or "en"] += 1


def trajectory_row(trajectory: Trajectory, task: Task) -> dict[str, Any]:
    """Returns the row of a trajectory."""
    record = trajectory.to_json()
    return {
        **record,
        "question": task.text if isinstance(task, MaskedTask) else task.question,
        "answers": list(task.answers),
        "task": json.dumps(record["task"], ensure_ascii=False),
        "scores": json.dumps(record["scores"], ensure_ascii=False),
    }


def _write_trajectories(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    import pyarrow as arrow

    text, texts = arrow.string(), arrow.list_(arrow.string())
    turns = arrow.list_(arrow.struct([("role", text), ("text", text)]))
    names = ("searches", "opens", "corrections", "prompt_tokens", "model_tokens", "tool_tokens")
    kinds = {
        "answers": texts,
        "turns": turns,
        "usage": arrow.struct([(name, arrow.int64()) for name in names]),
        "tools": texts,
        "search_errors": texts,
        "retrieved": arrow.list_(texts),
    }
    columns = dict.fromkeys(["id", "question", "answers", "turns", "answer", *Trajectory.model_fields])
    _write(path, arrow.schema([(name, kinds.get(name, text)) for name in columns]), rows)


def _question_schema() -> Any:
    import pyarrow as arrow

    text, texts = arrow.string(), arrow.list_(arrow.string())
    columns = {
        "id": text,
        "question": text,
        "answers": texts,
        "type": text,
        "supporting_titles": texts,
        "supporting_passages": texts,
        "parts": arrow.list_(texts),
        "false_premise": arrow.bool_(),
        "hops": arrow.int32(),
        "shape": text,
        "form": text,
        "bridges": texts,
        "evidence": texts,
        "steps": text,
        "verdict": text,
        "verdicts": text,
    }
    return arrow.schema(list(columns.items()))


def _write(path: Path, schema: Any, rows: Iterable[dict[str, Any]]) -> None:
    """Writes rows to one Parquet file; the fields `steps` and `verdicts` become JSON in strings."""
    import pyarrow as arrow
    from pyarrow import parquet

    iterator = iter(rows)
    with (
        atomic_path(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        while block := list(itertools.islice(iterator, GROUP)):
            writer.write_table(arrow.Table.from_pylist([_flat(row) for row in block], schema=schema))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    nested = {name: row[name] for name in ("steps", "verdicts") if row.get(name)}
    return {**row, **{name: json.dumps(value, ensure_ascii=False) for name, value in nested.items()}}
