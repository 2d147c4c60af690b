"""Loads the tasks of an evaluation: RAMP tasks, or the questions of a suite."""

from __future__ import annotations

from pathlib import Path

from masksearch.errors import DataError
from masksearch.evaluation.suites import load_questions
from masksearch.evaluation.suites.registry import registered
from masksearch.runtime.files import inner_name
from masksearch.runtime.progress import say
from masksearch.runtime.records import read_rows, read_tasks
from masksearch.scoring import fanoutqa
from masksearch.types import Task


def load_tasks(source: str, suite: str = "", unanswered: bool = False) -> tuple[str, list[Task]]:
    """Returns the suite's name in tables, and the tasks.

    `source` is a file of RAMP tasks, a question file (in our format, or as a suite's authors publish it), or
    another source that `suites.load_questions` accepts. `suite` is the name of a suite, or any other name to
    show in tables; if it is empty, the name comes from the source. With `unanswered`, all questions of
    a file in our format may lack gold answers. Raises the errors of `load_questions` and `read_tasks`.
    """
    # The format of standard input cannot be detected first, because it can be read only once; so standard
    # input must be tasks or questions in our format.
    if source == "-" or is_ramp(source):
        return suite or inner_name(source).split(".")[0], read_tasks(source, unanswered)
    name, questions = load_questions(source, known(suite), unanswered)
    if any(question.parts for question in questions) and not fanoutqa.is_installed():
        say(f"{source}: FanOutQA's own accuracy needs pip install 'masksearch[ner]'; ours is computed.")
    return suite or name, list(questions)


def known(suite: str) -> str:
    """Returns the registered name of a suite (`hotpotqa`) from its name in tables (`HotpotQA`).

    Returns an empty string for an unregistered name and for RAMP.
    """
    found = registered(suite)
    return "" if found == "ramp" else found


def is_ramp(source: str) -> bool:
    """Whether to read the source as tasks in our format, that is, if its first record is a RAMP task.

    Also true for every folder, because a folder always holds shards in our format.
    """
    if not Path(source).is_file():
        return Path(source).is_dir()
    try:
        _, first = next(read_rows(source), ("", {}))
    except DataError:
        return False
    return "masks" in first
