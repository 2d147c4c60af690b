"""Dates by pattern: day, month and year; years; spans of years; decades; centuries. English month names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from masksearch.types import Span

_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\.?)"
_YEAR = r"(?:1\d{3}|20\d{2})"
_ERA = r"(?:\s?(?:BCE|CE|BC|AD|B\.C\.|A\.D\.))"
_ORDINAL = (
    r"(?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth)"
)
_PATTERNS = (
    rf"\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH},?\s\d{{3,4}}{_ERA}?",  # 4 July 1776
    rf"{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,\s\d{{4}}",  # July 4, 1776
    rf"{_MONTH}\s{_YEAR}",  # July 1776
    rf"\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH}(?!\w)|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?(?!,?\s?\d)",  # 4 July, July 4
    rf"(?:(?:early|mid|late)[-\s])?{_YEAR}s",  # 1960s
    rf"(?:(?:early|mid|late)[-\s](?:to[-\s])?)?(?:\w+-)?{_ORDINAL}[-\s](?:century|centuries|millennium){_ERA}?",  # 19th century
    rf"(?:AD|A\.D\.)\s\d{{1,4}}|\d{{1,3}}(?:,\d{{3}}|\d)?{_ERA}",  # AD 79, 146 BC, 10,000 BCE
    _YEAR,
)
_DATE = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS))
# A figure before one of these is a quantity, not a year: "1500 people".
_QUANTITY = re.compile(
    r"\s?(?:metres?|meters?|kilomet|km|mi\b|miles?|feet|ft\b|people|inhabitants|species|members|islands|kg|tons?|tonnes|years|°|%|percent|mm|cm|m\b)"
)
_UNIT_BEFORE = re.compile(r"[$£€¥]\s?$")


def extract(texts: Sequence[str]) -> Iterator[list[Span]]:
    """The dates of each text."""
    for text in texts:
        yield [
            Span(start=match.start(), end=match.end(), category="DATE")
            for match in _DATE.finditer(text)
            if not (match[0].isdigit() and (_QUANTITY.match(text, match.end()) or _UNIT_BEFORE.search(text, 0, match.start())))
        ]
