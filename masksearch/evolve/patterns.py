"""Extracts a trajectory's own words and the form of its queries, to detect near-copies and query patterns
and to measure diversity."""

from __future__ import annotations

import re

from masksearch.agent.prompts import task_language
from masksearch.agent.protocol import CONTROL, Search, parse_turn
from masksearch.text.words import folded, surface
from masksearch.types import MASK, MaskedTask, Task, Trajectory, task_from_json

_ANSWER = re.compile(r"<answer>.*?(?:</answer>|$)", re.DOTALL)


def task_of(trajectory: Trajectory) -> Task:
    """Returns the task of a trajectory."""
    return task_from_json(trajectory.task)


def language(trajectory: Trajectory) -> str:
    """Returns the language of a trajectory's task; empty if the task has none."""
    return task_language(task_of(trajectory))


def spoken(trajectory: Trajectory) -> str:
    """Returns a trajectory's thoughts and queries, without tags, answers and tool turns."""
    written = [turn.text for turn in trajectory.turns if turn.role == "model"]
    texts = [CONTROL.sub(" ", _ANSWER.sub(" ", text)) for text in written]
    return " ".join(" ".join(texts).split())


def queries(trajectory: Trajectory) -> list[str]:
    """Returns a trajectory's search queries, in order."""
    actions = [parse_turn(turn.text, trajectory.tools) for turn in trajectory.turns if turn.role == "model"]
    return [action.query for action in actions if isinstance(action, Search)]


def document(trajectory: Trajectory) -> str:
    """Returns a key for the subject of a trajectory's task.

    The key is the document id of a masked text, or the supporting titles of a question; for a question
    without titles, the question's id.
    """
    task = task_of(trajectory)
    if isinstance(task, MaskedTask):
        return task.doc_id
    return " + ".join(sorted(task.supporting_titles)) or f"question {task.id}"


def pattern(trajectory: Trajectory) -> str:
    """Returns the form of a trajectory's queries without their subject, such as `A A a a 0 | A of A*`.

    A word of the task becomes `0` if it has a digit, `A` if it is capitalised, and `a` otherwise. A
    capitalised word or number that is not in the task becomes `A*` or `0*`; any other word is kept.
    """
    task, tongue = task_of(trajectory), language(trajectory)
    shown = f"{task.title} {task.text.replace(MASK, ' ')}" if isinstance(task, MaskedTask) else task.question
    known = {folded(word) for word in surface(tongue).findall(shown)}
    return " | ".join(
        " ".join(_sign(word, known) for word in surface(tongue).findall(query))
        for query in queries(trajectory)
    )


def _sign(word: str, known: set[str]) -> str:
    shape = "0" if any(character.isdigit() for character in word) else "A" if word[0].isupper() else "a"
    if folded(word) in known:
        return shape
    return folded(word) if shape == "a" else f"{shape}*"
