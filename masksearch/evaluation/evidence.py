"""Computes evidence recall: the share of the gold evidence that the tools returned in a trajectory.

The gold evidence of a question is given by document ids (`supporting_passages`) or by titles
(`supporting_titles`). If the index was built from the suite's own documents, only the ids count, because
another paragraph may have the same title. In an index of other text the ids do not occur, so the titles
count; they are matched with the titles that the model saw. A RAMP task names no gold evidence, and neither do
some questions: their evidence is the answer itself, which must occur in the tool output.
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
    """Returns the share of the gold evidence in the tool output, in [0, 1].

    Returns None for a yes/no question without gold passages and titles, because "yes" and "no" in the tool
    output are no evidence.
    """
    if _gold_documents(task) or _gold_titles(task):
        return _share([found for _, found in gold_found(trajectory, task)])
    shown = _shown(trajectory)
    if isinstance(task, MaskedTask):
        return _share([appears_in(answer, shown, task.language) for answer in task.answers])
    open_answers = [answer for answer in task.answers if normalise(answer) not in CLOSED_ANSWERS]
    return float(any(appears_in(answer, shown) for answer in open_answers)) if open_answers else None


def gold_found(trajectory: Trajectory, task: Task) -> list[tuple[str, bool]]:
    """Returns every gold passage on record as (name, whether the tools returned it).

    The name is the passage's title, or its document's id if the titles are not known one by one. Empty for a
    task without gold passages and titles.
    """
    documents, titles = _gold_documents(task), _gold_titles(task)
    found = {name for names in trajectory.retrieved for name in names}
    flags = _documents_found(documents, found)
    if any(flags) or _same_corpus(documents, found):
        return list(zip(titles if len(titles) == len(documents) else documents, flags, strict=True))
    return list(zip(titles, _titles_found(titles, _shown(trajectory)), strict=True))


def _gold_documents(task: Task) -> Sequence[str]:
    """Returns the gold document ids: those of a chained task, whose answer alone may stand anywhere, or those
    of a question."""
    return task.evidence or (task.supporting_passages if isinstance(task, Question) else ())


def _gold_titles(task: Task) -> Sequence[str]:
    if task.evidence:
        return list(dict.fromkeys(step.title for step in task.steps))
    return task.supporting_titles if isinstance(task, Question) else ()


def _shown(trajectory: Trajectory) -> str:
    return "\n".join(turn.text for turn in trajectory.turns if turn.role == "tool")


def _documents_found(gold: Sequence[str], found: Collection[str]) -> list[bool]:
    """Returns for each gold document whether the tools returned at least one passage of it.

    `gold` has document ids, `found` has passage ids. A document that is a single passage has one id for both;
    the passages of a longer document ID have the ids ID#1, ID#2, ...
    """
    return [name in found or any(other.startswith(f"{name}#") for other in found) for name in gold]


def _same_corpus(gold: Sequence[str], found: Collection[str]) -> bool:
    """Whether the tools returned any document of the corpus that the gold documents belong to.

    The part of an id before its last hyphen names the corpus: `musique` for `musique-0123abcd`.
    """
    return bool({_corpus(name) for name in gold} & {_corpus(name) for name in found} - {""})


def _corpus(name: str) -> str:
    return name.partition("#")[0].rpartition("-")[0]


def _titles_found(gold: Sequence[str], shown: str) -> list[bool]:
    """Returns for each gold title whether it is the title of a passage in the tool output `shown`."""
    heads = [match[1] for match in _PASSAGE.finditer(shown)]
    # The tool output has at most the first TITLE_WORDS words of a title.
    return [any(_has_title(head, beginning(title, TITLE_WORDS)) for head in heads) for title in gold]


def _has_title(head: str, title: str) -> bool:
    if not title or not head.startswith(title):
        return False
    # The tool output has a colon after each title; an opened page has its part number, such as " (2/3)",
    # between the title and the colon.
    rest = head[len(title) :]
    return rest.startswith(":") or _PART.sub("", rest.partition(":")[0]) == ""


def appears_in(answer: str, text: str, language: str = "") -> bool:
    """Whether a text contains an answer.

    The text must contain the answer's normalised tokens in sequence, or the answer's words as written
    (ignoring case). The second test is needed because normalising drops punctuation and so joins the words
    around it: the answer "India" is not a token of the normalised "India's", nor "1955" of "1955–79".
    """
    wanted = normalise(answer, language)
    if not wanted:
        return False
    shown = neutralise(text)
    if f" {wanted} " in f" {normalise(shown, language)} ":
        return True
    return _whole_words(answer).search(" ".join(shown.casefold().split())) is not None


@lru_cache(maxsize=4096)
def _whole_words(answer: str) -> re.Pattern[str]:
    """Returns a pattern that matches an answer as whole words.

    A number does not match within a longer number: "1" does not match in "1,093".
    """
    words = re.escape(" ".join(answer.casefold().split()))
    return re.compile(rf"(?<!\w)(?<!\d[.,]){words}(?!\w)(?![.,]\d)")


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else 0.0
