"""What an audit looks for: the gold answers of a task, and the names and ids of its gold articles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.evaluation.evidence import appears_in
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.search.index.storage import page_key
from masksearch.types import Hit, MaskedTask, Passage, Question, Task


@dataclass(frozen=True)
class Unit:
    """An answer that a task needs: one of several equally acceptable golds."""

    golds: tuple[str, ...]
    language: str

    def stands_in(self, text: str) -> bool:
        """Whether a text holds one of the golds."""
        return any(appears_in(gold, text, self.language) for gold in self.golds)


def units(task: Task) -> list[Unit]:
    """Returns the answers that a task needs: one for each mask, one for a question.

    Yes and no are left out, because they stand in any text.
    """
    if isinstance(task, MaskedTask):
        return [Unit((answer,), task.language) for answer in task.answers]
    golds = tuple(answer for answer in task.answers if normalise(answer) not in CLOSED_ANSWERS)
    return [Unit(golds, "")] if golds else []


def gold_ids(task: Task) -> tuple[str, ...]:
    """Returns the ids of the passages or documents that a task names as its evidence."""
    return tuple(task.evidence) or (task.supporting_passages if isinstance(task, Question) else ())


def gold_titles(task: Task) -> tuple[str, ...]:
    """Returns the titles of the articles that a task names as its evidence."""
    titles = dict.fromkeys(step.title for step in task.steps)
    if isinstance(task, Question):
        titles |= dict.fromkeys(task.supporting_titles)
    return tuple(title for title in titles if title)


def bridges(task: Task) -> tuple[str, ...]:
    """Returns the names to which a task leads: those that it withholds, or the titles of its articles."""
    return tuple(task.bridges) or gold_titles(task)


def shown(passage: Passage) -> str:
    """Returns a passage as a model sees it, with its title."""
    return f"{passage.title}: {passage.text}"


def evidence_among(task: Task, hits: Sequence[Hit]) -> float | None:
    """Returns the share of a task's gold articles among search results; None if it names none."""
    ids, titles = gold_ids(task), gold_titles(task)
    found = {name for hit in hits for name in (hit.passage.id, hit.passage.doc_id)}
    by_id = [name in found or name.partition("#")[0] in found for name in ids]
    keys = {page_key(hit.passage.title) for hit in hits}
    by_title = [page_key(title) in keys for title in titles]
    shares = [sum(one) / len(one) for one in (by_id, by_title) if one]
    return max(shares) if shares else None
