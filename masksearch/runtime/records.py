"""Reads and writes records in JSON Lines and Parquet files, and reads folders of such files (shards)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from masksearch.errors import DataError, FormatError, MissingExtraError
from masksearch.runtime.files import atomic_path, read_json_lines
from masksearch.text.nearest import no_path
from masksearch.types import Chained, MaskedTask, Record, Task, task_from_json

SHARDS = (".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".parquet")
"""Endings of the files that are read from a folder of shards."""
NESTED = frozenset({"verdicts", "steps"})
"""Columns of a Parquet file that hold JSON in a string."""
OBJECTS = frozenset({"task", "scores"})
"""Columns of published trajectories that hold a JSON object in a string. In other files they may hold
text."""
PARQUET_ROWS = 5000
"""Number of rows in one row group of a Parquet file."""
R = TypeVar("R", bound=Record)


def explain(error: ValidationError) -> str:
    """Describes the first fault of a validation error: the field and its fault, as the end of a sentence."""
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"lacks the field '{field}'"
    message = fault["msg"].removeprefix("Value error, ")
    return f"has a bad field '{field}': {message}" if field else f"is not valid: {message}"


def read_rows(path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (place, object) of a JSON Lines file, a Parquet file, or a folder of such shards in the order
    of their names. The place, such as "FILE, line 3", is for error messages.

    Raises DataError for a file that is missing or unreadable, FormatError for a line that is not a JSON
    object.
    """
    if str(path) != "-" and Path(path).is_dir():
        shards = sorted(
            entry
            for entry in Path(path).iterdir()
            if entry.name.endswith(SHARDS) and not entry.name.startswith(".") and entry.is_file()
        )
        if not shards:
            raise DataError(f"The folder {path} holds no shards (files that end in {', '.join(SHARDS)}).")
        for shard in shards:
            yield from read_rows(shard)
    elif Path(path).suffix == ".parquet":
        yield from _parquet_rows(Path(path))
    else:
        yield from ((f"{path}, line {number}", value) for number, value in read_json_lines(path))


def read_records(path: str | Path, kind: type[R]) -> list[R]:
    """Reads all records of a file or a folder of shards.

    Raises FormatError that names file, line and field; DataError if there is no record.
    """
    records = []
    for place, value in read_rows(path):
        try:
            records.append(kind.model_validate(value))
        except ValidationError as error:
            raise FormatError(f"{place} {explain(error)}.") from error
    if not records:
        raise DataError(f"{path} holds no records.")
    return records


def check_answers(place: str, answers: Sequence[str]) -> None:
    """Raises FormatError for a task or question with an empty list of gold answers."""
    if not answers:
        raise FormatError(
            f"{place} has a bad field 'answers': Tuple should have at least 1 item after validation, not 0."
        )


def check_same(place: str, answered: bool, before: bool | None) -> None:
    """Raises FormatError for a question with gold answers after questions without them, or the reverse.

    `before` is whether the questions before it have answers; None for the first question.
    """
    if before is not None and answered != before:
        raise FormatError(
            f"{place} has answers, but the questions before it have none; "
            "give answers to all questions of the file, or to none."
            if answered
            else f"{place} has no answers, but the questions before it have some; "
            "give answers to all questions of the file, or to none."
        )


def read_tasks(path: str | Path, unanswered: bool = False) -> list[Task]:
    """Reads all RAMP tasks or questions of a JSON Lines file, a Parquet file, or a folder of such shards.

    With `unanswered`, all questions may lack gold answers.

    Raises FormatError that names file and line of an invalid record or a repeated id; DataError if there is
    no task.
    """
    before: bool | None = None
    tasks: list[Task] = []
    seen: set[str] = set()
    for place, value in read_rows(path):
        if unanswered and "question" in value and not value.get("answers"):
            value = {**value, "answers": ()}
        try:
            task = task_from_json(value)
        except ValidationError as error:
            raise FormatError(f"{place} {explain(error)}.") from error
        if unanswered:
            check_same(place, bool(task.answers), before)
            before = bool(task.answers)
        else:
            check_answers(place, task.answers)
        if task.id in seen:
            raise FormatError(f"{place} repeats the id '{task.id}'; ids must be unique.")
        seen.add(task.id)
        tasks.append(task)
    if not tasks:
        raise DataError(f"{path} holds no tasks or questions.")
    return tasks


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (place, row) of a Parquet file. The place is for error messages.

    Columns without a value are left out of the row. The columns NESTED and OBJECTS hold JSON in a string.
    """
    arrow = _pyarrow()
    if not path.exists():
        raise DataError(f"There is no file {path}{no_path(path)}")
    number = 0
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    number += 1
                    place = f"{path}, row {number}"
                    value = {name: field for name, field in row.items() if field is not None}
                    for name in NESTED & value.keys():
                        if isinstance(value[name], str):
                            value[name] = _nested(name, value[name], place)
                    for name in OBJECTS & value.keys():
                        if isinstance(value[name], str) and value[name].startswith("{"):
                            value[name] = _nested(name, value[name], place)
                    yield place, value
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} could not be read as Parquet: {' '.join(str(error).split()).rstrip('.')}."
        ) from error


def _nested(name: str, text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise FormatError(f"{place} has a column '{name}' that is not valid JSON ({error}).") from error


def _columns(first: dict[str, Any]) -> Iterable[str]:
    """Returns the columns of a file of tasks, from its first task: fewer if no task is chained."""
    plain = [name for name in MaskedTask.model_fields if name not in Chained.model_fields]
    if "shape" not in first:
        return plain
    return dict.fromkeys(
        [*plain, "question", "type", "supporting_titles", "supporting_passages", *Chained.optional]
    )


def _as_text(record: dict[str, Any]) -> dict[str, str]:
    """Returns the nested fields of a task as JSON in strings."""
    names = NESTED & record.keys() | {"verdicts"}
    return {name: json.dumps(record.get(name, {}), ensure_ascii=False) for name in names}


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "readers", "A .parquet file") from error
    return pyarrow


def check_parquet() -> None:
    """Raises MissingExtraError if the package for Parquet is not installed."""
    _pyarrow()


def write_task_parquet(path: str | Path, records: Iterable[dict[str, Any]]) -> int:
    """Writes tasks, as `to_json` returns them, to one Parquet file and returns their number.

    `verdicts` and `steps` become JSON in a string. Chained tasks have the columns of masked texts and of
    questions; a row leaves the columns of the other kind empty.
    """
    arrow = _pyarrow()
    text, texts = arrow.string(), arrow.list_(arrow.string())
    kinds = {
        "answers": texts,
        "masks": arrow.int32(),
        "categories": texts,
        "ranks": arrow.list_(arrow.int32()),
        "source_hidden": arrow.bool_(),
        "hops": arrow.int32(),
        "bridges": texts,
        "evidence": texts,
        "supporting_titles": texts,
        "supporting_passages": texts,
    }
    count, iterator = 0, iter(records)
    first = next(iterator, {})
    iterator = itertools.chain([first] if first else [], iterator)
    schema = arrow.schema([(name, kinds.get(name, text)) for name in _columns(first)])
    with (
        atomic_path(path) as temporary,
        arrow.parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        while block := list(itertools.islice(iterator, PARQUET_ROWS)):
            rows = [{**record, **_as_text(record)} for record in block]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count
