"""Finds figures by pattern, with currency, magnitude and unit.

Examples: `$1.5 billion`, `44.62 square kilometers`, `150 977`, `29,9 %`, `1.4亿`, `三千公里`. Languages
differ: Spanish and French have a decimal comma and separate thousands by points or spaces; Chinese has 万
and 亿. A figure in words ("三千") is a span only in Chinese, and only with a unit. Some bare figures are
no spans: below 20 ("3 of them"), in technical prose, in phone numbers, and angles ("361°"), since nobody can
search for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.code import is_technical
from masksearch.ramp.spans.extract import Extractor, by_text
from masksearch.types import Span

LEAST = 20
"""Smallest bare figure (without currency, magnitude or unit) that is a span."""


@dataclass(frozen=True)
class Figures:
    """The patterns with which a language writes figures."""

    figure: re.Pattern[str]
    """A figure without its unit. It starts with a digit, so that Python's matcher can skip to digits."""
    tail: re.Pattern[str]
    """The optional magnitude, unit or currency after a figure; may match the empty string."""
    separators: dict[int, str | None]
    """Table for `str.translate` that turns the language's notation into Python's."""


_SYMBOLS = (
    r"%|°[CF]|km/h|m/s|km2|km²|m2|m²|m3|m³|km|cm|mm|m|kg|mg|g|mi|ft|lb|ha|[kMG]?Hz|[kMG]?Wh?|[KMGT]i?B"
    r"|[kMG]?eV|ML|mL|kN|[kMh]?Pa|[kM]J|kV|mA|dB|rpm|mph|kn|nmi|yd|oz|psi|kcal|ms|s|min|hp|bhp|kt"
)
_AFTER_SYMBOL = r"(?![^\W_])"
_CURRENCY = r"(?:US|A|C|NZ|HK|R)?[$£€¥]"
_CURRENCY_BEFORE = re.compile(rf"{_CURRENCY}\s?$")

_UNITS = {
    "en": r"per\s?cent|percent|degrees(?:\s(?:Celsius|Fahrenheit))?|(?:square|cubic)\s(?:kilomet(?:er"
    r"|re)s|met(?:er|re)s|miles|feet)|kilomet(?:er|re)s"
    r"|met(?:er|re)s|centimet(?:er|re)s|millimet(?:er|re)s|nautical\smiles?|miles?|foot|feet|inch(?:es)?|acres?|yards?|knots|bytes|bits|tokens|horsepower|decibels|volts|watts|amperes|light-years?|stor(?:ey|ie)s|pixels"
    r"|hectares?|tonnes?|tons?|kilograms?|grams?|pounds|lit(?:er|re)s"
    r"|gallons|sq\s(?:mi|km|ft|m)|hours|minutes|seconds|days|weeks|months|years|euros|dollars",
    "es": r"por\sciento|grados(?:\s(?:Celsius|centígrados))?|(?:kilómetros|metros|millas"
    r"|pies)(?:\s(?:cuadrad[oa]s|cúbicos))?|centímetros|milímetros|pulgadas"
    r"|acres|hectáreas|toneladas|kilogramos|kilos|gramos|litros|horas|minutos|segundos|días|semanas|meses"
    r"|años(?!\sluz)|años\sluz"
    r"|euros|dólares|pesos|pesetas|libras",
    "fr": r"pour\s(?:cent|100)|degrés(?:\sCelsius)?|(?:kilomètres|mètres)(?:\s(?:carrés|cubes))?"
    r"|centimètres|millimètres|pieds|pouces|acres|hectares|tonnes"
    r"|kilogrammes|kilos|grammes|litres|heures|minutes|secondes|jours|semaines|mois|années-lumière|ans"
    r"|euros|dollars|francs|livres",
}
_MAGNITUDES = {
    "en": r"thousand|million|billion|trillion",
    "es": r"mil\smillones|mil|millón|millones|billones",
    "fr": r"mille|millions?|milliards?|billions?",
}
_HAN_DIGITS = "〇零一二三四五六七八九十百千万亿两"
_HAN_UNITS = (
    r"平方公里|平方千米|平方米|立方米|立方公里|立方千米|公里|千米|厘米|毫米|米|英里|英尺|海里|公顷|亩"
    r"|公斤|千克|毫克|克|万吨|吨|公升|毫升|升"
    r"|摄氏度|华氏度|度|光年|美元|欧元|英镑|日元|港元|人民币|元|小时|分钟|周岁|岁|个百分点"
)
_HAN_TAIL = (
    r"(?:\s?(?:万亿|百万|千万|[十百千万亿]+))?(?:[余多])?"
    rf"(?:\s?(?:{_SYMBOLS}){_AFTER_SYMBOL}|％|\s?(?:{_HAN_UNITS}))?"
)


def _tail(language: str) -> re.Pattern[str]:
    """Builds `Figures.tail`, the pattern of what follows a figure, for a language with Latin letters."""
    of = "" if language == "en" else r"(?:de\s|d['’])?"  # "50 millions de kilomètres"
    spaced = rf"\s{of}(?:{_UNITS[language]}){_AFTER_SYMBOL}"
    return re.compile(
        rf"(?:\s(?:{_MAGNITUDES[language]}){_AFTER_SYMBOL})?(?:\s?(?:{_SYMBOLS}){_AFTER_SYMBOL}|{spaced}"
        rf"|\s?(?:{_CURRENCY}|¢)(?!\s?\d))?"
    )


# Each pattern starts with a single `\d`, so that Python's matcher skips to the next digit. This is three
# times as fast.
_COMMAS = re.compile(
    r"\d(?:\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d{0,2}(?:[ \u00a0\u2009\u202f]\d{3})+(?![,.]?\d)(?:\.\d+)?"
    r"|\d*(?:\.\d+)?)"
)
_POINTS = re.compile(r"\d(?:\d{0,2}(?:[. \u00a0\u2009\u202f]\d{3})+(?!\d)(?:,\d+)?|\d*(?:[.,]\d+)?)")
_PLAIN: dict[int, str | None] = dict.fromkeys(map(ord, ", \u00a0\u2009\u202f"))
_LATIN: dict[int, str | None] = {**dict.fromkeys(map(ord, ". \u00a0\u2009\u202f")), ord(","): "."}
FIGURES = {
    "en": Figures(_COMMAS, _tail("en"), _PLAIN),
    "es": Figures(_POINTS, _tail("es"), _LATIN),
    "fr": Figures(_POINTS, _tail("fr"), _LATIN),
    "zh": Figures(_COMMAS, re.compile(_HAN_TAIL), _PLAIN),
}
_HAN_QUANTITY = re.compile(
    rf"百分之[{_HAN_DIGITS}\d.]+|[{_HAN_DIGITS}]*[十百千万亿][{_HAN_DIGITS}]*(?:[余多])?(?:{_HAN_UNITS})"
)


# A bare figure is not a quantity if it is part of a name or a reference ("Boeing 747", "Article 50", "RFC
# 2616"), an ordinal ("24.º") or a Chinese date ("26年").
_NAME_BEFORE = re.compile(r"[^\s.!?:;。]\s[A-ZÀ-ÖØ-Þ][\w.]*\s$")
_RANGE = re.compile(r"[–—-](?=\d)|\s(?:[–—]|to|or|a|à|ou|o)\s(?=\d)")
_YEAR = re.compile(r"1\d{3}|20\d{2}")
_PHONE_BEFORE = re.compile(r"[+(]?(?:\d[\d().\s-]*|(?<=\+))$")
_PHONE_MARKS = frozenset(" +(.-)")
_PHONE_AFTER = re.compile(r"(?:[).\s-]{1,2}\d+)+")
_PHONE_WORD = re.compile(
    r"(?i:\b(?:tel|phone|telephone|fax|call|dial|mobile|téléphone|teléfono)\b[.:]?\s*(?:at\s|on\s)?)$"
)
_NO_COUNT_AFTER = re.compile(r"\.?[ºª°]|\s?(?:年|月|日|世纪|号|届)")


def make(settings: MaskSettings) -> Extractor:
    """Builds the extractor; it finds no spans in a language without patterns."""
    return by_text(find, settings)


def find(text: str, language: str) -> list[Span]:
    """Returns the quantities of a text."""
    figures = FIGURES.get(language)
    if figures is None:
        return []
    spans = []
    last = 0
    for match in figures.figure.finditer(text):
        start, end = match.span()
        if start < last:
            continue
        upper = _upper_figure(text, match, figures)
        if upper:
            end = upper.end()
        tail = figures.tail.match(text, end)
        if tail:
            end = tail.end()
        last = end
        currency = _CURRENCY_BEFORE.search(text, max(0, start - 4), start)
        if currency:
            start = currency.start()
        is_bare = not currency and end == (upper or match).end()
        if is_bare and (_value(match, figures) < LEAST or _is_label(text, start, end)):
            continue
        if is_bare and (_is_phone_number(text, start, end) or is_technical(text)):
            continue
        spans.append(Span(start=start, end=end, category="NUMBER"))
    if language == "zh":
        taken = [(span.start, span.end) for span in spans]
        spans += [
            Span(start=match.start(), end=match.end(), category="NUMBER")
            for match in _HAN_QUANTITY.finditer(text)
            if not any(start < match.end() and match.start() < end for start, end in taken)
        ]
    return spans


def _value(match: re.Match[str], figures: Figures) -> float:
    """Returns the value of a figure."""
    return float(match[0].translate(figures.separators))


def _upper_figure(text: str, match: re.Match[str], figures: Figures) -> re.Match[str] | None:
    """Returns the second figure of a range ("10–40 m"), or None.

    A range ascends. Two years ("1914–1918") are two dates, and bare figures around a hyphen ("21-24") may be
    a score.
    """
    dash = _RANGE.match(text, match.end())
    upper = dash and figures.figure.match(text, dash.end())
    if not dash or not upper or _value(upper, figures) <= _value(match, figures):
        return None
    bare = figures.tail.match(text, upper.end())
    if bare and bare.end() > upper.end():
        return upper
    years = _YEAR.fullmatch(match[0]) and _YEAR.fullmatch(upper[0])
    return upper if dash[0].strip() in ("–", "—") and not years else None


def _is_phone_number(text: str, start: int, end: int) -> bool:
    """Whether the bare figure text[start:end] is part of a phone number or of another run of digit groups."""
    if text[start] == "0" and end - start > 1 and text[start:end].isdigit():
        return True
    before = None
    if text[max(0, start - 1) : start] in _PHONE_MARKS:
        before = _PHONE_BEFORE.search(text, max(0, start - 20), start)
    after = _PHONE_AFTER.match(text, end)
    first = before.start() if before else start
    prefix = text[max(0, first - 14) : first]
    if prefix.endswith((" ", ":", ".")) and _PHONE_WORD.search(prefix):
        return True
    if not before and not after:
        return False
    run = text[first : after.end() if after else end]
    groups = re.findall(r"\d+", run)
    return (
        sum(map(len, groups)) >= 7
        and len(groups) > 1
        and (
            run.lstrip()[:1] in ("+", "(", "0")
            or "-" in run
            or ") " in run
            or (len(groups) > 2 and "," not in run)
        )
    )


def _is_label(text: str, start: int, end: int) -> bool:
    """Whether the bare figure text[start:end] is part of a name, a reference, an ordinal or a date."""
    return bool(_NO_COUNT_AFTER.match(text, end)) or (
        text[start:end].isdigit() and bool(_NAME_BEFORE.search(text, max(0, start - 24), start))
    )
