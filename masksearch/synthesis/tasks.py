"""Reading what an agent can be asked to do: RAMP tasks or questions, one JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from masksearch.errors import DataError, FormatError
from masksearch.files import explain, read_json_lines
from masksearch.types import Task, task_from_json


def read_tasks(path: str | Path) -> list[Task]:
    """All tasks of a file. Raises FormatError naming file and line; DataError where there is none or an id comes twice."""
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


def kind_of(tasks: Sequence[Task]) -> str:
    """`ramp` or `question`."""
    return "ramp" if hasattr(tasks[0], "masks") else "question"
