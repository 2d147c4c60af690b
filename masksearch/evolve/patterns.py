"""Extracts from a trajectory the text that the model wrote, its queries and the pattern of its queries.

Selection uses them to detect near-copies and repeated query patterns, and diversity metrics use them too.
"""

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
    """Returns the thoughts and queries of a trajectory as one text, without tags, answers or tool turns."""
    written = [turn.text for turn in trajectory.turns if turn.role == "model"]
    texts = [CONTROL.sub(" ", _ANSWER.sub(" ", text)) for text in written]
    return " ".join(" ".join(texts).split())


def queries(trajectory: Trajectory) -> list[str]:
    """Returns a trajectory's search queries, in order."""
    actions = [parse_turn(turn.text, trajectory.tools) for turn in trajectory.turns if turn.role == "model"]
    return [action.query for action in actions if isinstance(action, Search)]


def document(trajectory: Trajectory) -> str:
    """Returns a key of the document that a trajectory's task is about, to count trajectories per document.

    For a masked text the key is its document id. For a question it is the supporting titles, or the
    question's id if it has no titles.
    """
    task = task_of(trajectory)
    if isinstance(task, MaskedTask):
        return task.doc_id
    return " + ".join(sorted(task.supporting_titles)) or f"question {task.id}"


def pattern(trajectory: Trajectory) -> str:
    """Returns the query pattern of a trajectory: its queries with the words about the subject replaced.

    An example with two queries is `A A a a 0 | A of A*`. A word that occurs in the task becomes `0` if it
    has a digit, `A` if it is capitalised, and `a` otherwise. Of the words that do not occur in the task, a
    word with a digit becomes `0*` and a capitalised word becomes `A*`; any other word stays.
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
