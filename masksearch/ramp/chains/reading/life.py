"""Dates and places of birth and death in the brackets after a person's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from masksearch.ramp.spans.dates import EN_MONTHS

_MONTH = "|".join(EN_MONTHS)
DATE_PATTERN = rf"(?:\d{{1,2}} (?:{_MONTH}),? \d{{4}}|(?:{_MONTH}) \d{{1,2}},? \d{{4}})"
"""Pattern of a whole date, as regular expression: "3 May 1960" or "May 3, 1960"."""
_OPEN = r"\(\s?(?:[^()]{0,80}?[;,] )?"
_BORN = re.compile(rf"{_OPEN}(?:born|b\.)\s*(?:[^()\d]{{0,40}} )?(?P<born>{DATE_PATTERN})")
_LIVED = re.compile(
    rf"{_OPEN}(?:born )?(?P<born>{DATE_PATTERN})[^()–-]{{0,40}}[–-]\s*(?P<died>{DATE_PATTERN})"
)
_DIED = re.compile(rf"{_OPEN}died (?P<died>{DATE_PATTERN})")


@dataclass(frozen=True)
class LifeDate:
    """A date of a life: characters [start, end) of a sentence; `form` is born or died."""

    form: str
    start: int
    end: int


def life_dates(sentence: str) -> Iterator[LifeDate]:
    """Yields the dates in brackets in the first sentence of an article."""
    match = _LIVED.search(sentence) or _BORN.search(sentence) or _DIED.search(sentence)
    if match:
        for form in match.groupdict():
            yield LifeDate(form, *match.span(form))
