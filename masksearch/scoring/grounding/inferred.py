"""Rules for answers that no text need hold: yes and no, a comparison, a result that the thought works out.

Each of them needs evidence: a result about a name in the question, or premises that were shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from masksearch.scoring.grounding.shown import Result, holds, padded, words_of
from masksearch.text.names import names
from masksearch.text.neutralise import neutralise
from masksearch.text.sentences import sentence_spans
from masksearch.types import Question, Task

YES_NO = frozenset({"yes", "no", "sí", "si", "oui", "non", "是", "否", "不 是"})
NOT_FOUND = frozenset({"not found", "no encontrado", "introuvable", "没 有 找 到", "未 找 到"})
"""Answers that say honestly that the evidence was not found, as words joined by spaces."""
_BETWEEN = frozenset({"or", "and", "o", "y", "ou", "et", "和", "或", "与"})
_SKIPPED = frozenset({"the", "a", "an"})
_DECLARED = re.compile(
    r"(?i)\b(?:infer(?:red)?|inference|it follows|follows that|therefore|hence|thus|which makes|that makes"
    r"|por lo tanto|por tanto|se deduce|on en déduit|donc)\b|因此|推出|由此可知"
)
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def is_yes_no(task: Task, words: Sequence[str]) -> bool:
    """Whether the words are the answer yes or no to a question."""
    return isinstance(task, Question) and " ".join(words) in YES_NO


def is_compared(task: Task, words: Sequence[str]) -> bool:
    """Whether the words are one of the entities that a question compares: "A or B", "A and B".

    A part of a longer name is none.
    """
    own = [word for word in words if word not in _SKIPPED]
    if not isinstance(task, Question) or not own:
        return False
    asked = [word for word in words_of(task.question) if word not in _SKIPPED]
    longer = [words_of(name.text) for name in names(neutralise(task.question))]
    if any(padded(own) in padded(name) and len(own) < len(name) for name in longer):
        return False
    return any(
        asked[start : start + len(own)] == own
        and not _BETWEEN.isdisjoint(asked[max(0, start - 1) : start] + asked[start + len(own) :][:1])
        for start in range(len(asked) - len(own) + 1)
    )


def is_about(task: Task, results: Sequence[Result]) -> bool:
    """Whether a result holds a name of the question. Without a name in it, any result is enough."""
    if not isinstance(task, Question):
        return False
    asked = [words_of(name.text) for name in names(neutralise(task.question))]
    return any(holds(results, name) for name in asked) if asked else bool(results)


def is_worked_out(task: Task, words: Sequence[str], thought: str, results: Sequence[Result]) -> bool:
    """Whether a thought works an answer out from premises that were shown.

    A number must be the sum or the difference of two numbers beside it. Any other answer must stand in a
    sentence that calls itself an inference ("therefore", "it follows"). In both cases the sentence, together
    with the one before it, must hold premises, and every premise must have been shown. Premises are numbers
    and names that are neither in the answer nor in the task.
    """
    text = neutralise(thought)
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    for place, sentence in enumerate(sentences):
        said = words_of(sentence)
        if padded(words) not in padded(said):
            continue
        context = " ".join(sentences[max(0, place - 1) : place + 1])
        number = _value(" ".join(words))
        if number is not None:
            shown = {
                value for text in _NUMBER.findall(context) if (value := _shown(text, results)) is not None
            }
            if any(number in (abs(one - two), one + two) for one, two in combinations(sorted(shown), 2)):
                return True
        elif _DECLARED.search(sentence) and _premises_hold(task, words, context, results):
            return True
    return False


def _premises_hold(task: Task, words: Sequence[str], context: str, results: Sequence[Result]) -> bool:
    asked = padded(words_of(task.question if isinstance(task, Question) else task.text))
    found = [words_of(name.text) for name in names(context)] + [words_of(n) for n in _NUMBER.findall(context)]
    own = set(words)
    premises = [part for part in found if padded(part) not in asked and not own & set(part)]
    return bool(premises) and all(holds(results, part) for part in premises)


def _value(text: str) -> float | None:
    match = _NUMBER.match(text)
    # "3" and "3 years" are numbers; "3 Doors Down" is not, because its words are no unit.
    if match is None or len(text[match.end() :].split()) > 1:
        return None
    return float(match[0].replace(",", ""))


def _shown(text: str, results: Sequence[Result]) -> float | None:
    return float(text.replace(",", "")) if holds(results, words_of(text)) else None
