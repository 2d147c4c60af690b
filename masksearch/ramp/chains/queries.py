"""The queries of a step, shared by the checks and the planned teacher: the subject, then what is needed."""

from __future__ import annotations

import re

from masksearch.text.words import STOP_WORDS
from masksearch.types import ChainStep

_SHORT = {
    "the date of birth": "born",
    "the date of death": "died",
    "the place of birth": "born in",
    "the place of death": "died in",
    "the place of burial": "buried",
    "the cause of death": "died of",
    "the school": "educated at",
    "the employer": "works at",
    "the award": "won",
    "the kind": "",
    "the person": "",
    "the organization": "",
    "the place": "",
    "the work": "",
}
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def step_queries(step: ChainStep) -> list[str]:
    """Returns the queries that a reader would write for a step, the plainest first."""
    if not step.subject:
        words = [word for word in _WORD.findall(step.need) if word.casefold() not in STOP_WORDS]
        return [" ".join(words)]
    subject = step.subject.removeprefix("the ")
    need = step.verb or _SHORT.get(step.need, step.need.removeprefix("the "))
    return list(dict.fromkeys([f"{subject} {need}".strip(), subject, f"{need} {subject}".strip()]))


def visible_queries(text: str, named: tuple[str, ...], step: ChainStep) -> list[str]:
    """Returns the queries that can be written from a task's text alone, for the check of one search.

    They are: all content words of the text; its names; its names with what the last step needs; the content
    words without the names.
    """
    words = [word for word in _WORD.findall(text) if word.casefold() not in STOP_WORDS]
    need = step.verb or _SHORT.get(step.need, step.need.removeprefix("the "))
    known = {word.casefold() for name in named for word in _WORD.findall(name)}
    rest = [word for word in words if word.casefold() not in known]
    queries = [" ".join(words), *named, *(f"{name} {need}".strip() for name in named), " ".join(rest)]
    return [query for query in dict.fromkeys(queries) if query]
