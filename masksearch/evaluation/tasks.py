"""Loads the tasks of an evaluation: RAMP tasks, or the questions of a suite."""

from __future__ import annotations

from pathlib import Path

from masksearch.errors import DataError, UsageError
from masksearch.evaluation.suites import find_suite, load_questions
from masksearch.runtime.files import inner_name
from masksearch.runtime.records import read_rows, read_tasks
from masksearch.types import Task


def load_tasks(source: str, suite: str = "") -> tuple[str, list[Task]]:
    """Returns a name for tables, and the tasks.

    `suite` is the name of a suite, or any other name for tables. `source` is a task file, a question file
    (in our format, or as a suite's authors publish it), or another source of `suites.load_questions`.
    Raises the errors of `load_questions` and `read_tasks`.
    """
    # Standard input can be read only once, so its format cannot be detected: it must be in our format.
    if source == "-" or is_ramp(source):
        return suite or inner_name(source).split(".")[0], read_tasks(source)
    name, questions = load_questions(source, known(suite))
    return suite or name, list(questions)


def known(suite: str) -> str:
    """Returns the registered name of the suite that tables call `suite`; empty if the suite is not
    registered."""
    try:
        found = find_suite(suite.casefold().replace(" ", "")).name if suite else ""
    except UsageError:
        return ""
    return "" if found == "ramp" else found


def is_ramp(source: str) -> bool:
    """Whether the source holds RAMP tasks, by its first record.

    True for any folder, which holds shards in our format.
    """
    if not Path(source).is_file():
        return Path(source).is_dir()
    try:
        _, first = next(read_rows(source), ("", {}))
    except DataError:
        return False
    return "masks" in first
