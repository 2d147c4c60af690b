"""Marks in the texts of a trajectory: false quotes, and the sentences of results that hold a gold answer.

The rules are those of the scores: `scoring.grounding` for quotes, `evaluation.evidence` for answers. The page
only draws the marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from masksearch.evaluation.evidence import appears_in, gold_found
from masksearch.scoring.grounding import CheckedQuote, checked_quotes
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.text.sentences import sentence_spans
from masksearch.types import MaskedTask, Task, Trajectory, task_from_json

LONGEST = 100_000
"""Maximum number of characters of a text that gets marks."""
Segment = list[str]
Mark = tuple[int, int, str, str]
"""Start and end in UTF-16 units, as JavaScript counts, then `false` or `holds`, then the label."""
_NUMBER = re.compile(r"\[\d+\] ")


def marks_of(trajectory: Trajectory, turns: Sequence[Sequence[Segment]]) -> list[list[list[Mark]]]:
    """Returns the marks of every segment of every turn; `turns` has the segments of each turn as
    (kind, text)."""
    marks = _false_quotes(trajectory, turns)
    task = task_of(trajectory)
    golds, language = _golds(task), task.language if isinstance(task, MaskedTask) else ""
    for turn, found in zip(turns, marks, strict=True):
        for (kind, text), into in zip(turn, found, strict=True):
            if kind == "information" and golds and len(text) <= LONGEST:
                into += _holding(text, golds, language)
    return marks


def wanted(trajectory: Trajectory) -> list[list[str | int]]:
    """Returns the gold passages on record as [name, 1 if the tools returned it, else 0]."""
    task = task_of(trajectory)
    return [[name, int(found)] for name, found in gold_found(trajectory, task)] if task else []


def task_of(trajectory: Trajectory) -> Task | None:
    """Returns the task of a trajectory; None if it is not valid."""
    try:
        return task_from_json(trajectory.task)
    except ValidationError:
        return None


# -- quotes -------------------------------------------------------------------------------------------------


def _false_quotes(trajectory: Trajectory, turns: Sequence[Sequence[Segment]]) -> list[list[list[Mark]]]:
    marks: list[list[list[Mark]]] = [[[] for _ in turn] for turn in turns]
    quotes = checked_quotes(trajectory.turns) if _may_quote(turns) else []
    number = 0
    for turn, segments, found in zip(trajectory.turns, turns, marks, strict=True):
        if turn.role == "model":
            number += 1
            _place([quote for quote in quotes if quote.turn == number], segments, found)
    return marks


def _may_quote(turns: Sequence[Sequence[Segment]]) -> bool:
    return any(kind == "think" and "[" in text for turn in turns for kind, text in turn)


def _place(quotes: Sequence[CheckedQuote], segments: Sequence[Segment], found: Sequence[list[Mark]]) -> None:
    """Adds the marks of one turn's false quotes; quotes are searched in their order in the thoughts."""
    thoughts = [place for place, (kind, _) in enumerate(segments) if kind == "think"]
    at, start = 0, 0
    for quote in quotes:
        for place in range(at, len(thoughts)):
            text = segments[thoughts[place]][1]
            begin = text.find(quote.text, start if place == at else 0) if quote.text else -1
            if begin >= 0:
                at, start = place, begin + len(quote.text)
                if not quote.stands:
                    found[thoughts[place]].append(_mark(text, begin, start, "false", _fault(quote)))
                break


def _fault(quote: CheckedQuote) -> str:
    where = "another result has it" if quote.elsewhere else "no result has it"
    return f"false quote: not in result {quote.number}, {where}"


# -- answers ------------------------------------------------------------------------------------------------


def _golds(task: Task | None) -> list[str]:
    """Returns the gold answers that a sentence can hold: all but yes and no."""
    if task is None:
        return []
    language = task.language if isinstance(task, MaskedTask) else ""
    return [gold for gold in task.answers if normalise(gold, language) not in CLOSED_ANSWERS]


def _holding(text: str, golds: Sequence[str], language: str) -> Iterator[Mark]:
    """Yields a mark for every sentence of the results that holds a gold answer."""
    present = [gold for gold in golds if appears_in(gold, text, language)]
    start = 0
    for line in text.split("\n") if present else ():
        number = _NUMBER.match(line)
        begin = number.end() if number else 0
        for first, last in sentence_spans(line[begin:], language):
            sentence = line[begin + first : begin + last]
            held = [gold for gold in present if appears_in(gold, sentence, language)]
            if held:
                label = f"holds the gold answer {' and '.join(held)}"
                yield _mark(text, start + begin + first, start + begin + last, "holds", label)
        start += len(line) + 1


def _mark(text: str, start: int, end: int, kind: str, label: str) -> Mark:
    first = _units(text[:start])
    return first, first + _units(text[start:end]), kind, label


def _units(text: str) -> int:
    """Returns the number of UTF-16 units of a text."""
    return len(text) + sum(character > "\uffff" for character in text)
