"""Sentences of the planned teacher."""

from __future__ import annotations

import re

from masksearch.types import ChainStep, Task

NOT_FOUND = "not found"
"""The answer to a task whose evidence no search finds."""
_ORDERED = {"before": "is before", "after": "is after", "more": "is more than", "fewer": "is less than"}
_KINDS = {
    "PERSON": "person", "GPE": "place", "LOC": "place", "FAC": "place", "DATE": "date", "YEAR": "year",
    "NUMBER": "number", "ORG": "organization", "WORK_OF_ART": "work", "EVENT": "event",
    "NORP": "nationality", "PRODUCT": "product",
}  # fmt: skip
_VERBS = "is|was|are|were|did|does|do|has|have"
_WHICH = re.compile(
    rf"\b(?:which|what) (?!(?:{_VERBS}|the)\b)([\w' -]+?) "
    rf"(?:{_VERBS}|had|in|of|that|from|on|for|by|with|who)\b",
    re.IGNORECASE,
)


def needed(step: ChainStep) -> str:
    """Returns what a step needs: "the director of the film Heat", "the organization that A plays for"."""
    if not step.subject:
        return step.need
    if step.verb:
        if step.kind in ("DATE", "YEAR") and " " in step.verb:
            verb, preposition = step.verb.rsplit(" ", 1)
            return f"{step.need} {preposition} which {step.subject} {verb}"
        return f"{step.need} that {step.subject} {step.verb}"
    return f"{step.need} of {step.subject}"


def read(step: ChainStep, line: str, value: str) -> str:
    """Returns what a step found: what was needed, the quote, and the value.

    The need stands right before the quote: a small model that begins to quote without it copies the words
    that catch its eye, such as a date in brackets. The need is said again with the value: after a bare value
    such a model takes the first step for the last one.
    """
    need = needed(step)
    if step.need == "the kind":
        return f"{_upper(need)}? {line} So {step.subject} is {a_kind(value)}."
    return f"{_upper(need)}? {line} So {need} is {value}."


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def side_by_side(a: str, first: str, b: str, second: str) -> str:
    """Returns two names with what was found of each, which the comparison needs next to each other."""
    return f"{_upper(a)}: {first}. {_upper(b)}: {second}."


def a_kind(noun: str) -> str:
    """Returns a noun with its article: "a person", "an organization", "the other film"."""
    if noun.startswith("the "):
        return noun
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def kind_of(task: Task) -> str:
    """Returns the kind of answer that a task asks for: what its last step needs, or the kind of its value."""
    step = task.steps[-1]
    if task.verdict == "fits":
        return _KINDS.get(task.steps[0].kind, "name")
    if not step.subject:
        return step.kind
    need = step.need.removeprefix("the ").removeprefix("other ")
    return need if need else _KINDS.get(step.kind, "name")


def asked_kind(question: str) -> str:
    """Returns the kind of answer that the words of a question ask for; empty if they do not say."""
    text = question.strip().lower()
    if match := _WHICH.search(question):
        return match[1].strip().lower()
    for words, kind in (("who", "person"), ("when", "date"), ("where", "place"), ("how many", "number")):
        if re.search(rf"\b{words}\b", text):
            return kind
    return ""


def compared(verdict: str, a: str, b: str, answer: str, first: bool) -> str:
    """Returns a comparison of two values as a sentence. `first` tells whether the first one's name is the
    answer.

    The value of the answer stands first, and the relation is the one that is asked for: "1963 is before
    1972." for the earlier film. The answer is then the name of that value. With the values in the order of
    the question ("1972 is after 1963.") a small model has to turn the relation round for one of two
    questions.
    """
    if verdict == "same":
        return f"{a[:1].upper()}{a[1:]} and {b} are {'' if answer == 'yes' else 'not '}the same."
    one, other = (a, b) if first else (b, a)
    return f"{one} {_ORDERED[verdict]} {other}."
