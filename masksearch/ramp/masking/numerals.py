"""Reads the numbers of a text by their value, so that a number in other dress is recognised.

1,234,567 is 1234567; 1.5 million is 1,500,000; 25 is twenty-five; 5% is five percent; '87 is 1987; the 1800s
are the 19th century. Number words come from the package num2words; without it only figures are read.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from masksearch.text.words import folded

NUMBER_WORDS = ("num2words",)
"""Package with the names of numbers; the extras `ner`, `ner-fr` and `terms` install it."""
CENTURY, DECADE = "century", "decade"
LEAST = 10
"""A smaller number is too frequent to give another away, unless both have a unit."""

_SPACE = "[ \u00a0\u2009\u202f]"
_FIGURE_EN = re.compile(rf"\d(?:\d{{0,2}}(?:,\d{{3}})+|\d{{0,2}}(?:{_SPACE}\d{{3}})+(?!\d)|\d*)(?:\.\d+)?")
_FIGURE_LATIN = re.compile(r"\d(?:\d{0,2}(?:[. \u00a0\u2009\u202f]\d{3})+(?!\d)|\d*)(?:,\d+)?")
_GROUPING_EN, _GROUPING_LATIN = re.compile(r"[,\s]"), re.compile(r"[.\s]")
_MAGNITUDES = {
    "thousand": 1e3, "mil": 1e3, "mille": 1e3, "million": 1e6, "millions": 1e6, "millón": 1e6,
    "millones": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9, "milliard": 1e9, "milliards": 1e9, "trillion": 1e12,
}  # fmt: skip
_AFTER = re.compile(
    r"[\s-]?(?:(?P<magnitude>thousand|mille|mil|millions?|millón|millones|billion|bn|milliards?|trillion|m)(?!\w)"
    r"|(?P<century>(?:st|nd|rd|th)?[\s-]century|(?:st|nd|rd|th)[\s-]centuries)"
    r"|(?P<ordinal>st|nd|rd|th)(?!\w)|(?P<decade>['’]?s)(?!\w))"
)
_PERCENT = re.compile(r"\s?(?:%|per\s?cent\b|por\sciento\b|pour\scent\b)")
_SHORT_YEAR = re.compile(r"(?:(?<=\D)|^)['’]$|\d{4}[–-]$")
_DECADES = {"twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70,
            "eighties": 80, "nineties": 90}  # fmt: skip
_DECADE = re.compile(rf"\b(?i:{'|'.join(_DECADES)})\b")
_WORD_AFTER = re.compile(r"[\s-]([a-zà-ÿ]+)")
_CENTURY_AFTER = re.compile(r"[\s-](?:century|centuries)\b")


@dataclass(frozen=True)
class Number:
    """A number of a text, with its place."""

    start: int
    end: int
    value: float
    kind: str = ""
    """Empty, `CENTURY` or `DECADE`."""
    short: bool = False
    """Whether it is a year of two figures ('87)."""


def numbers_in(text: str, language: str, words: Iterable[str] | None = None) -> list[Number]:
    """Returns the numbers of a text in figures and in words, each with its value.

    `words` are the loose words of the text, if known; a text without number words is then read faster.
    """
    found = list(_figures(text, language))
    if words is None or not number_words(language).isdisjoint(words):
        found += _worded(text, language)
    return found


def same(first: Number, second: Number) -> bool:
    """Whether two numbers have the same value."""
    if first.short != second.short:
        short, full = (first, second) if first.short else (second, first)
        return 1000 <= full.value < 2100 and full.value % 100 == short.value and full.kind == short.kind
    if first.kind != second.kind or first.value != second.value:
        return False
    return bool(first.kind) or first.value >= LEAST


def _figures(text: str, language: str) -> Iterator[Number]:
    latin = language in ("es", "fr")
    for match in (_FIGURE_LATIN if latin else _FIGURE_EN).finditer(text):
        start, end = match.span()
        shown, kind = match[0], ""
        if not shown.isdigit():
            shown = (_GROUPING_LATIN if latin else _GROUPING_EN).sub("", shown).replace(",", ".")
        value = float(shown)
        short = bool(end - start == 2 and _SHORT_YEAR.search(text, max(0, start - 5), start))
        if after := _AFTER.match(text, end):
            if after["magnitude"]:
                value *= _MAGNITUDES[after["magnitude"].lower()]
            elif after["century"]:
                kind = CENTURY
            elif after["decade"] and match[0].isdigit() and value >= 1000:
                # "1800s" is a century; "1960s" a decade.
                kind, value = (CENTURY, value // 100 + 1) if value % 100 == 0 else (DECADE, value)
            elif after["decade"] and end - start == 2:
                kind, short = DECADE, True
            if kind or after["magnitude"] or after["ordinal"]:
                end = after.end()
        if value < LEAST and (percent := _PERCENT.match(text, end)):
            kind, end = "%", percent.end()
        yield Number(start, end, value, kind, short)


def _worded(text: str, language: str) -> Iterator[Number]:
    """Yields the numbers in words: "twenty-five", "1.5 million" is a figure, "nineteenth century"."""
    known, pattern = _words_of(language)
    if not known:
        return
    for match in _DECADE.finditer(text) if language in ("", "en") else ():
        yield Number(match.start(), match.end(), _DECADES[match[0].lower()], DECADE, short=True)
    for match in pattern.finditer(text):
        name = re.sub(r"[\s-]+", " ", match[0].lower())
        value, end, kind = known[name], match.end(), ""
        follow = _WORD_AFTER.match(text, end)
        if follow and follow[1] in _MAGNITUDES and len(follow[1]) > 2:
            value, end = value * _MAGNITUDES[follow[1]], follow.end()
        if century := _CENTURY_AFTER.match(text, end):
            kind, end = CENTURY, century.end()
        if value < LEAST and (percent := _PERCENT.match(text, end)):
            kind, end = "%", percent.end()
        if value >= LEAST or kind:
            yield Number(match.start(), end, value, kind)


@cache
def number_words(language: str) -> frozenset[str]:
    """Returns words without which a text has no number in words that counts: large numbers, "percent"."""
    large = (
        folded(name).partition(" ")[0] for name, value in _words_of(language)[0].items() if value >= LEAST
    )
    return (
        frozenset(large) | _DECADES.keys() | {"percent", "cent", "ciento", "million", "millions", "billion"}
    )


@cache
def _words_of(language: str) -> tuple[Mapping[str, float], re.Pattern[str]]:
    """Returns the number words of a language (0 to 100, and ordinals to 31) and a pattern of them."""
    lang = language or "en"
    if lang not in ("en", "es", "fr") or importlib.util.find_spec("num2words") is None:
        return {}, re.compile("(?!)")
    from num2words import num2words

    known: dict[str, float] = {}
    for value in range(1, 101):
        known[re.sub(r"[\s-]+", " ", num2words(value, lang=lang))] = value
    for value in range(1, 32):
        known.setdefault(re.sub(r"[\s-]+", " ", num2words(value, lang=lang, to="ordinal")), value)
    ordered = sorted(known, key=len, reverse=True)
    names = "|".join(name.replace(" ", r"[\s-]") for name in ordered)
    return known, re.compile(rf"(?<![\w-])(?i:{names})(?![^\W_])")
