"""What is evaluated: RAMP tasks, or the questions of a suite."""

from __future__ import annotations

from pathlib import Path

from masksearch.errors import DataError, UsageError
from masksearch.evaluation.suites import find_suite, load_questions
from masksearch.runtime.files import inner_name
from masksearch.runtime.records import read_rows, read_tasks
from masksearch.types import Task


def load_tasks(source: str, suite: str = "") -> tuple[str, list[Task]]:
    """A name for tables, and the tasks. `suite` is a suite's name, or any other word for tables.

    `source` is a task file, a question file (ours, or as a suite's authors publish it), or what else `suites.load_questions` takes.
    Raises what that and `read_tasks` raise.
    """
    if source == "-" or is_ramp(source):  # standard input cannot be looked at twice, so it holds what is ours
        return suite or inner_name(source).split(".")[0], read_tasks(source)
    name, questions = load_questions(source, known(suite))
    return suite or name, list(questions)


def known(suite: str) -> str:
    """A suite's own name for what it is called in tables; empty where there is no such suite."""
    try:
        found = find_suite(suite.casefold().replace(" ", "")).name if suite else ""
    except UsageError:
        return ""
    return "" if found == "ramp" else found


def is_ramp(source: str) -> bool:
    """Whether the first record of a file is a RAMP task."""
    if not Path(source).is_file():
        return Path(source).is_dir()
    try:
        _, first = next(read_rows(source), ("", {}))
    except DataError:
        return False
    return "masks" in first
