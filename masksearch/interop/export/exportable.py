"""Reads the records to export one at a time, and decides which trajectories are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from masksearch.agent.protocol import is_valid
from masksearch.errors import DataError, FormatError
from masksearch.runtime.records import check_answers, explain, read_rows
from masksearch.types import Task, Trajectory, task_from_json

Rows = Iterable[tuple[str, dict[str, Any]]]
"""Records, each with its place (file and line) for error messages."""


class LeftOut(Exception):
    """A trajectory that cannot be written in the requested shape; the message is a short reason."""


def read_all(paths: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the records of several files or folders in turn. Raises DataError for a path without records."""
    for path in paths:
        found = False
        for row in read_rows(path):
            found = True
            yield row
        if not found:
            raise DataError(f"{path} holds no records.")


def is_trajectory(value: dict[str, Any]) -> bool:
    """Whether a record has the fields of a trajectory, valid or not."""
    return "turns" in value


def as_trajectory(place: str, value: dict[str, Any]) -> tuple[Trajectory, Task]:
    """Returns a record as a trajectory, together with its task. Raises FormatError if the record is not a
    trajectory."""
    if not is_trajectory(value):
        if "answers" not in value:
            raise FormatError(f"{place} is not a trajectory.")
        raise FormatError(
            f"{place} is a task or question, not a trajectory (masksearch synthesize writes trajectories; "
            "--to verl also exports a file of tasks alone)."
        )
    try:
        trajectory = Trajectory.model_validate(value)
    except ValidationError as error:
        raise FormatError(f"{place} {explain(error)}.") from error
    try:
        task = task_from_json(trajectory.task)
    except ValidationError as error:
        raise FormatError(f"{place}: the task of trajectory '{trajectory.id}' {explain(error)}.") from error
    check_answers(f"{place}: the task of trajectory '{trajectory.id}'", task.answers)
    return trajectory, task


def as_task(place: str, value: dict[str, Any]) -> Task:
    """Returns a record as a task or question. Raises FormatError if the record is neither."""
    if is_trajectory(value):
        raise FormatError(f"{place} is a trajectory among tasks; export tasks and trajectories separately.")
    try:
        task = task_from_json(value)
    except ValidationError as error:
        raise FormatError(f"{place} {explain(error)}.") from error
    check_answers(place, task.answers)
    return task


def fault(trajectory: Trajectory) -> str:
    """Returns the reason why a trajectory is not used for training, or an empty string."""
    if trajectory.status != "answered":
        return trajectory.status
    return "" if is_valid(trajectory.turns, trajectory.tools) else "not in valid form"
