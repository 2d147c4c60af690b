"""Are the questions duplicated: in training files, or within their own file?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.corpus import normal_title
from masksearch.evaluation.audit.units import gold_titles
from masksearch.ramp.checks.contamination import Decontaminator
from masksearch.runtime.records import read_rows
from masksearch.text.words import loose_words
from masksearch.types import MaskedTask, Passage, Task


@dataclass(frozen=True)
class Duplicate:
    """How one task is duplicated."""

    reason: str
    """What it shares with a training file, as in `shares 13 words with FILE`; empty if nothing."""
    article: str
    """A gold article that a training file uses too; empty if there is none. Two questions may share an
    article, so this alone makes no duplicate."""
    repeats: str
    """Id of an earlier task of the same file with the same text; empty if there is none."""


def duplicates(
    tasks: Sequence[Task], trained_on: Sequence[str], ngram: int, common: frozenset[str]
) -> list[Duplicate]:
    """Returns how each task is duplicated. `common` holds the corpus' titles that name no article.

    Raises FormatError for a training file with a record that is neither a task nor a question.
    """
    filter_ = Decontaminator.from_files(trained_on, (), ngram, common)
    known: dict[str, str] = {}
    for path in trained_on:
        for _, record in read_rows(path):
            task = record["task"] if isinstance(record.get("task"), dict) else record
            known.setdefault(_bare(str(task.get("question") or task.get("text", ""))), path)
    seen: dict[str, str] = {}
    found = []
    for task in tasks:
        text = task.text if isinstance(task, MaskedTask) else task.question
        bare = _bare(text)
        reason = f"is a question of {known[bare]}" if bare in known else filter_.reason(_passage(task, text))
        article = next((title for title in gold_titles(task) if normal_title(title) in filter_.titles), "")
        found.append(Duplicate(reason, article, seen.get(bare, "")))
        seen.setdefault(bare, task.id)
    return found


def _bare(text: str) -> str:
    return " ".join(loose_words(text, "zh"))


def _passage(task: Task, text: str) -> Passage:
    """Returns a task as a passage that the check can look at: a question has no title."""
    if isinstance(task, MaskedTask):
        return Passage(id=task.id, doc_id=task.doc_id, title=task.title, text=task.original)
    return Passage(id=task.id, doc_id="", title="", text=text)
