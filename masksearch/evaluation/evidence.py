"""Whether the searches of a trajectory brought what its answer rests on: gold-passage recall, from the record alone.

Gold passages are a question's `supporting_passages`, known by their documents, or its `supporting_titles`, known by the titles shown. In an index that
has those documents they alone count, for another paragraph may have the same title; in one of other text the titles do. Where neither is named, and
for RAMP tasks, the evidence is the text of the answer itself in what was shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from masksearch.agent.prompts import TITLE_WORDS
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.text.excerpts import beginning
from masksearch.text.neutralise import neutralise
from masksearch.types import MaskedTask, Question, Task, Trajectory

_PASSAGE = re.compile(r"^\[\d+\] (.*)$", re.MULTILINE)
_PART = re.compile(r" \(\d+/\d+\)$")


def evidence_recall(trajectory: Trajectory, task: Task) -> float | None:
    """Share of the evidence that the tools brought, in [0, 1]; None where nothing is known that could be looked for (yes or no, without gold passages)."""
    shown = "\n".join(turn.text for turn in trajectory.turns if turn.role == "tool")
    if isinstance(task, Question) and (task.supporting_passages or task.supporting_titles):
        found = {name for names in trajectory.retrieved for name in names}
        share = by_document(task.supporting_passages, found)
        return (
            share
            if share or _named_alike(task.supporting_passages, found)
            else by_title(task.supporting_titles, shown)
        )
    if isinstance(task, MaskedTask):
        return _share([stands_in(answer, shown, task.language) for answer in task.answers])
    open_answers = [answer for answer in task.answers if normalise(answer) not in CLOSED_ANSWERS]
    return float(any(stands_in(answer, shown) for answer in open_answers)) if open_answers else None


def by_document(gold: Sequence[str], found: Collection[str]) -> float:
    """Share of the documents `gold` of which a passage was found: passages of one are called as it is, or ID#1, ID#2, ..."""
    return _share([name in found or any(other.startswith(f"{name}#") for other in found) for name in gold])


def _named_alike(gold: Sequence[str], found: Collection[str]) -> bool:
    """Whether documents that were found are of the gold's own corpus, as far as names tell: the same word before the last hyphen (`musique-`)."""
    return bool({_corpus(name) for name in gold} & {_corpus(name) for name in found} - {""})


def _corpus(name: str) -> str:
    return name.partition("#")[0].rpartition("-")[0]


def by_title(gold: Sequence[str], shown: str) -> float:
    """Share of the titles under which a passage was shown, as the agent saw them."""
    heads = [match[1] for match in _PASSAGE.finditer(shown)]
    return _share([any(_is_headed(head, beginning(title, TITLE_WORDS)) for head in heads) for title in gold])


def _is_headed(head: str, title: str) -> bool:
    if not title or not head.startswith(title):
        return False
    # What follows the title: a colon, or of an opened page the number of its part.
    rest = head[len(title) :]
    return rest.startswith(":") or _PART.sub("", rest.partition(":")[0]) == ""


def stands_in(answer: str, text: str, language: str = "") -> bool:
    """Whether an answer stands in a text: its normalised tokens one after the other, or the words as they are.

    The normaliser glues a word to what follows a sign ("India's", "1955–79"), and so would not find it there.
    """
    wanted = normalise(answer, language)
    if not wanted:
        return False
    shown = neutralise(text)
    return (
        f" {wanted} " in f" {normalise(shown, language)} "
        or _whole(answer).search(" ".join(shown.casefold().split())) is not None
    )


@lru_cache(maxsize=4096)
def _whole(answer: str) -> re.Pattern[str]:
    """Finds an answer as whole words; a number is no part of a longer one ("1" in "1,093")."""
    words = re.escape(" ".join(answer.casefold().split()))
    return re.compile(rf"(?<!\w)(?<!\d[.,]){words}(?!\w)(?![.,]\d)")


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 0.0
