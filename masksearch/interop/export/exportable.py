"""What is exported: trajectories one at a time, and why one is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from masksearch.agent.protocol import is_valid
from masksearch.errors import DataError, FormatError
from masksearch.runtime.records import explain, read_rows
from masksearch.types import Task, Trajectory, task_from_json

Rows = Iterable[tuple[str, dict[str, Any]]]
"""Records with their places."""


class LeftOut(Exception):
    """A trajectory cannot be told in the shape asked for; its text is the reason, in a few words."""


def read_all(paths: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of several files or folders, one after the other. Raises DataError where one of them holds none."""
    for path in paths:
        found = False
        for row in read_rows(path):
            found = True
            yield row
        if not found:
            raise DataError(f"{path} holds no records.")


def is_trajectory(value: dict[str, Any]) -> bool:
    """Whether a record is meant to be a trajectory, and not a task or something else."""
    return "turns" in value


def as_trajectory(place: str, value: dict[str, Any]) -> tuple[Trajectory, Task]:
    """A record as a trajectory, and the task it is of. Raises FormatError naming its place."""
    if not is_trajectory(value):
        what = "a task or question" if "answers" in value else "something else"
        hint = (
            " (trajectories come from: masksearch synthesize; tasks can be exported by themselves with --to verl)"
            if "answers" in value
            else ""
        )
        raise FormatError(f"{place} is no trajectory but {what}{hint}.")
    try:
        trajectory = Trajectory.model_validate(value)
    except ValidationError as error:
        raise FormatError(f"{place} {explain(error)}.") from error
    try:
        return trajectory, task_from_json(trajectory.task)
    except ValidationError as error:
        raise FormatError(f"{place}: the task of trajectory '{trajectory.id}' {explain(error)}.") from error


def as_task(place: str, value: dict[str, Any]) -> Task:
    """A record as a task or question. Raises FormatError naming its place."""
    if is_trajectory(value):
        raise FormatError(f"{place} is a trajectory, among tasks; export the two by themselves.")
    try:
        return task_from_json(value)
    except ValidationError as error:
        raise FormatError(f"{place} {explain(error)}.") from error


def fault(trajectory: Trajectory) -> str:
    """Why a trajectory is not to be learnt from, or ""."""
    if trajectory.status != "answered":
        return trajectory.status
    return "" if is_valid(trajectory.turns, trajectory.tools) else "not in valid form"
