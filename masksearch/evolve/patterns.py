"""What a trajectory says in its own words, and in which form it asks: for telling copies, patterns and variety."""

from __future__ import annotations

import re

from masksearch.agent.prompts import task_language
from masksearch.agent.protocol import CONTROL, Search, parse_turn
from masksearch.text.words import folded, surface
from masksearch.types import MASK, MaskedTask, Task, Trajectory, task_from_json

_ANSWER = re.compile(r"<answer>.*?(?:</answer>|$)", re.DOTALL)


def task_of(trajectory: Trajectory) -> Task:
    """The task it works."""
    return task_from_json(trajectory.task)


def language(trajectory: Trajectory) -> str:
    """The language of its task; empty where that names none."""
    return task_language(task_of(trajectory))


def spoken(trajectory: Trajectory) -> str:
    """Its thoughts and queries, without tags, answers and what the tool said."""
    texts = [
        CONTROL.sub(" ", _ANSWER.sub(" ", turn.text)) for turn in trajectory.turns if turn.role == "model"
    ]
    return " ".join(" ".join(texts).split())


def queries(trajectory: Trajectory) -> list[str]:
    """What it searches for, in order."""
    actions = [parse_turn(turn.text, trajectory.tools) for turn in trajectory.turns if turn.role == "model"]
    return [action.query for action in actions if isinstance(action, Search)]


def document(trajectory: Trajectory) -> str:
    """What its task is about: the document of a masked text, the supporting titles of a question (of one without, the question itself)."""
    task = task_of(trajectory)
    if isinstance(task, MaskedTask):
        return task.doc_id
    return " + ".join(sorted(task.supporting_titles)) or f"question {task.id}"


def pattern(trajectory: Trajectory) -> str:
    """The form of its queries, whatever they are about: `A A a a 0 | A of A*`.

    A word of the task becomes A (with a capital), 0 (with a digit) or a; a name or figure from elsewhere becomes A* or 0*; any other word stays.
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
