"""Reading and writing files so that nothing is lost and nothing half-written is taken for whole.

Whole files and folders are written under a temporary name beside the target and renamed; records
that arrive over time are appended a line each, and a torn last line (after a kill) is dropped on reading.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import ValidationError

from masksearch.errors import DataError, FormatError
from masksearch.types import Record, Task, task_from_json

R = TypeVar("R", bound=Record)


@contextlib.contextmanager
def open_text(path: str | Path) -> Iterator[IO[str]]:
    """A UTF-8 text file for reading; `.gz` and `.bz2` are unpacked, `-` is standard input. Raises DataError."""
    if str(path) == "-":
        yield sys.stdin
        return
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no file {path}; check the path.")
    if path.is_dir():
        raise DataError(f"{path} is a folder, but a file is needed here.")
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it, for example with iconv.") from error
    except (gzip.BadGzipFile, EOFError, OSError) as error:
        raise DataError(f"{path} could not be read: {error}.") from error


def read_json_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects of a JSON Lines file with their line numbers (from 1); blank lines are passed over.

    Raises FormatError, naming file and line, at a line that is no JSON object.
    """
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise FormatError(f"{path}, line {number} is not valid JSON ({error}).") from error
            if not isinstance(value, dict):
                raise FormatError(f"{path}, line {number} is not a JSON object but a {type(value).__name__}.")
            yield number, value


def explain(error: ValidationError) -> str:
    """The first fault of a validation error as a phrase: the field, and what is wrong with it."""
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"lacks the field '{field}'"
    message = fault["msg"].removeprefix("Value error, ")
    return f"has a bad field '{field}': {message}" if field else f"is not valid: {message}"


def read_records(path: str | Path, kind: type[R]) -> list[R]:
    """All records of a JSON Lines file. Raises FormatError naming file, line and field; DataError when there is none."""
    records = []
    for number, value in read_json_lines(path):
        try:
            records.append(kind.model_validate(value))
        except ValidationError as error:
            raise FormatError(f"{path}, line {number} {explain(error)}.") from error
    if not records:
        raise DataError(f"{path} holds no records.")
    return records


def read_tasks(path: str | Path) -> list[Task]:
    """What an agent can be asked to do: all RAMP tasks or questions of a file.

    Raises FormatError naming file and line where a record is not right or repeats an id; DataError where there is none.
    """
    tasks: list[Task] = []
    seen: set[str] = set()
    for number, value in read_json_lines(path):
        try:
            task = task_from_json(value)
        except ValidationError as error:
            raise FormatError(f"{path}, line {number} {explain(error)}.") from error
        if task.id in seen:
            raise FormatError(f"{path}, line {number} repeats the id '{task.id}'; ids must be unique.")
        seen.add(task.id)
        tasks.append(task)
    if not tasks:
        raise DataError(f"{path} holds no tasks or questions.")
    return tasks


@contextlib.contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """A temporary path beside `target` to write a file or folder to; renamed to `target` when the block ends well.

    An older `target` is replaced. When the block fails, the temporary one is removed and `target` is untouched.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{os.getpid()}.tmp"
    remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and target.exists():
            old = target.parent / f".{target.name}.{os.getpid()}.old.tmp"
            remove(old)
            target.rename(old)
            temporary.rename(target)
            remove(old)
        else:
            os.replace(temporary, target)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Removes a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a whole text file; a reader sees the old one or the new one, never half."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def write_json(path: str | Path, value: Any) -> None:
    """Writes one JSON value, indented, with sorted keys left as given."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_json_lines(path: str | Path, values: Iterable[dict[str, Any]]) -> int:
    """Writes a whole JSON Lines file (`.gz` is packed, `-` is standard output); returns how many lines."""
    if str(path) == "-":
        return _dump_lines(sys.stdout, values)
    with atomic_path(path) as temporary:
        opener: Any = gzip.open if str(path).endswith(".gz") else open
        with opener(temporary, "wt", encoding="utf-8") as stream:
            return _dump_lines(stream, values)


def _dump_lines(stream: IO[str], values: Iterable[dict[str, Any]]) -> int:
    count = 0
    for value in values:
        stream.write(json.dumps(value, ensure_ascii=False) + "\n")
        count += 1
    return count


def append_json_lines(path: str | Path, values: Iterable[dict[str, Any]]) -> None:
    """Appends records in one write and flushes them to disk. A torn line left by a kill is ended first."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
    with open(path, "ab+") as stream:
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                data = b"\n" + data
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def read_appended(path: str | Path) -> list[dict[str, Any]]:
    """Records of a file written by `append_json_lines`; lines torn by a kill are passed over. Empty if there is no file."""
    if not Path(path).exists():
        return []
    records = []
    for line in Path(path).read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                records.append(value)
    return records


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON value, independent of key order, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
