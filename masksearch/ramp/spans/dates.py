"""Finds dates by pattern: days, months, years, decades, centuries and eras, as each language writes them.

Every date contains a figure or one of a few words ("tenth century", "siglo XX", "二十世纪"). For speed, the
figures of a text are found first, and most date patterns are tried only there. Dates that start with a word
have separate patterns. Each of these starts with plain letters, so that Python's matcher can skip to the
letters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Extractor, by_text
from masksearch.ramp.spans.numbers import FIGURES
from masksearch.types import Span


@dataclass(frozen=True)
class Dates:
    """The date patterns of a language."""

    at_figure: re.Pattern[str]
    """Dates that start with a figure; matched at each figure."""
    at_word: re.Pattern[str]
    """Dates that start with a word; tried only in texts that contain one of `words`."""
    words: tuple[str, ...]
    """`at_word` is tried only in texts that contain one of these strings."""
    qualifiers: tuple[str, ...] = ()
    """Words before a decade or a century that are part of the date: "early ", "mid-"."""


_YEAR = r"(?:1\d{3}|20\d{2})(?!\d)"
EN_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_ES_MONTHS = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "setiembre",
    "octubre",
    "noviembre",
    "diciembre",
]
_FR_MONTHS = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
_ROMAN = r"[IVX]+"


def _english() -> Dates:
    month = rf"(?:{'|'.join(EN_MONTHS)}|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\.?)"
    era = r"\s?(?:BCE|CE|BC|AD|B\.C\.E\.|B\.C\.|A\.D\.|C\.E\.)(?!\w)"
    ordinals = (
        r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|(?:thir"
        r"|four|fif|six|seven|eigh|nine)teenth"
        r"|twentieth|twenty-first)"
    )
    age = rf"[-\s](?:century|centuries|millennium)(?:{era})?"
    return Dates(
        at_figure=re.compile(
            # 4 July 1776, 4 July
            rf"\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{month}(?:,?\s\d{{3,4}}(?!\d)(?:{era})?)?(?!\w)"
            rf"|\d{{1,2}}(?:st|nd|rd|th){age}"  # 19th century
            r"|(?:1\d{3}|20\d{2})s(?!\w)"  # 1960s
            r"|(?:1\d{3}|20\d{2})[–-]\d{2}(?![\w–-])"  # 1942–43
            rf"|\d{{1,3}}(?:,\d{{3}}|\d)?{era}"  # 146 BC, 10,000 BCE
            rf"|\d{{1,4}}(?=\s?(?:[–-]|to|and|or)\s?(?:c\.\s)?\d{{1,4}}{era})"  # the first of 51 to 30 BC
            rf"|(?<=\byear\s)\d{{1,4}}(?!\d)|{_YEAR}"
        ),
        at_word=re.compile(
            rf"(?:{'|'.join(EN_MONTHS)}|Jan\.|Feb\.|Mar\.|Apr\.|Jun\.|Jul\.|Aug\.|Sept\.|Sep\.|Oct\."
            rf"|Nov\.|Dec\.)"
            r"\s(?:\d{1,2}(?:st|nd|rd|th)?(?:\s?[–-]\s?\d{1,2}(?:st|nd|rd|th)?)?,\s\d{4}(?!\d)|(?:of\s)?\d{3,4}(?!\d)|\d{1,2}(?:st|nd|rd"
            r"|th)?(?!,?\s?\d))"
            rf"|AD\s\d{{1,4}}(?!\d)|A\.D\.\s\d{{1,4}}(?!\d)|{ordinals}{age}"
        ),
        words=(
            *EN_MONTHS,
            "AD ",
            "A.D.",
            "centur",
            "millenni",
            *(f"{name[:3]}." for name in EN_MONTHS),
            "Sept.",
        ),
        qualifiers=("early ", "mid ", "late ", "early-", "mid-", "late-", "mid-to-late "),
    )


def _spanish() -> Dates:
    month = rf"(?:{'|'.join(_ES_MONTHS)})"
    era = r"\s(?:a\.\s?C\.|d\.\s?C\.|a\.\s?e\.\s?c\.|e\.\s?c\.|antes\sde\sCristo|después\sde\sCristo)"
    of_year = rf"\s(?:de|del)\s(?:año\s)?\d{{3,4}}(?!\d)(?:{era})?"
    centuries = rf"{_ROMAN}(?:\s?(?:y|al|a|-|–)\s?{_ROMAN})?(?!\w)(?:{era})?"
    decade = r"(?:1\d{3}|20\d{2}|[1-9]0)(?![\d.,]\d|\d)"
    return Dates(
        at_figure=re.compile(
            rf"\d{{1,2}}(?:\.?º|°)?\sde\s{month}(?:{of_year})?(?!\w)|\d{{1,3}}(?:[. ]\d{{3}}|\d)?{era}"
            rf"|\d{{1,4}}(?=\s(?:a|al|y|o)\s(?:el\s)?\d{{1,4}}{era})"
            rf"|(?<=\baño\s)\d{{1,4}}(?!\d)|{_YEAR}"
        ),
        at_word=re.compile(
            rf"(?:{'|'.join(_ES_MONTHS)}){of_year}|siglo\s{centuries}|siglos\s{centuries}"
            rf"|milenio\s{centuries}"
            rf"|década\sde\s(?:los\s)?(?:años\s)?{decade}|años\s{decade}"
        ),
        words=(*_ES_MONTHS, "siglo", "milenio", "década", "años"),
    )


def _french() -> Dates:
    month = rf"(?:{'|'.join(_FR_MONTHS)})"
    era = (
        r"\s(?:(?:av|ap|apr)\.\s?J\.?[-‑\s]?C\.?"
        r"|(?:avant|après)\s(?:J\.?[-‑\s]?C\.?|Jésus-Christ|notre\sère))"
    )
    ordinal = rf"{_ROMAN}(?:ᵉʳ|ᵉ|er|e|ème|ième)"
    decade = r"(?:1\d{3}|20\d{2}|[1-9]0)(?![\d.,]\d|\d)"
    return Dates(
        at_figure=re.compile(
            rf"(?:1er|1ᵉʳ|\d{{1,2}})\s{month}(?:\s\d{{3,4}}(?!\d)(?:{era})?)?(?!\w)"
            rf"|\d{{1,3}}(?:[. ]\d{{3}}|\d)?{era}"
            rf"|\d{{1,4}}(?=\s(?:à|et|ou)\s\d{{1,4}}{era})|(?<=\ban\s)\d{{1,4}}(?!\d)|{_YEAR}"
        ),
        at_word=re.compile(
            rf"(?:{'|'.join(_FR_MONTHS)})\s\d{{3,4}}(?!\d)(?:{era})?|(?:années|décennie)\s{decade}"
            rf"|[IVX](?<![^\W_].)[IVX]*(?:ᵉʳ|ᵉ|er|e|ème|ième)(?:\s(?:et|au"
            rf"|ou)\s(?:le\s)?{ordinal})?[\s-](?:siècles?|millénaires?)(?!\w)(?:{era})?"
        ),
        words=(*_FR_MONTHS, "siècle", "millénaire", "années", "décennie"),
    )


def _chinese() -> Dates:
    part = r"(?:\d0年代|[一二三四五六七八九]十年代|上半叶|下半叶|[初中末]叶?|前期|中期|后期|晚期)?"
    day = r"(?:\s?\d{1,2}\s?月(?:\s?\d{1,2}\s?[日号])?)?"
    return Dates(
        at_figure=re.compile(
            rf"(?:1\d{{3}}|20\d{{2}}|[3-9]\d{{2}})\s?年{day}(?![来间代度]|的?历史|以?[上下])"  # 1949年10月1日
            rf"|\d{{1,4}}\s?年\s?\d{{1,2}}\s?月(?:\s?\d{{1,2}}\s?[日号])?|\d{{1,2}}\s?月\s?\d{{1,2}}\s?[日号]"
            rf"|\d{{1,2}}\s?世纪{part}|(?:1\d{{3}}|20\d{{2}}|[1-9]0)年代(?:[初中末]期?|前期|后期)?"
            r"|(?:1\d{3}|20\d{2})(?=\s?[-–—~～－至到]\s?(?:1\d{3}|20\d{2})年)"
        ),
        at_word=re.compile(
            rf"(?:公|西)元前?\s?\d{{1,4}}\s?(?:年{day}|世纪{part})|前\d{{1,4}}年{day}"
            rf"|[一二三四五六七八九十](?<![一二三四五六七八九十].)[一二三四五六七八九十]{{0,2}}世纪{part}|公元前[一二三四五六七八九十]{{1,3}}世纪{part}"
            r"|[一二][〇零一二三四五六七八九]{3}年(?:[一二三四五六七八九十]{1,2}月(?:[一二三四五六七八九十]{1,3}[日号])?)?"
        ),
        words=("公元", "西元", "前", "世纪", "〇", "零", "一"),
    )


DATES = {"en": _english(), "es": _spanish(), "fr": _french(), "zh": _chinese()}
_FIGURE = re.compile(r"\d\d*")  # faster than `\d+`: Python's matcher skips to a single first character
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_IN_FIGURES = re.compile(
    rf"(?<![\w./-])(?:[12]\d{{3}}([-/]){_MONTH}\1{_DAY}(?:T\d\d:\d\d(?::\d\d)?Z?)?"
    rf"|{_DAY}([-/.]){_DAY}\2[12]\d{{3}}|{_DAY}/{_DAY}/\d\d)(?![\w]|[-/]\w|\.\d)"
)
_CURRENCY_BEFORE = re.compile(r"[$£€¥]\s?$")
# A figure before one of these nouns is a quantity, not a year ("1500 people"); spans/numbers.py has the
# units of measure.
_COUNTED = re.compile(
    r"\s(?:people|inhabitants|residents|species|members|islands|students|employees|households|families"
    r"|copies|languages|soldiers|men|women|seats"
    r"|personas|habitantes|especies|miembros|islas|alumnos|estudiantes|empleados|hombres|mujeres"
    r"|viviendas|lenguas|soldados|municipios"
    r"|personnes|habitants|espèces|membres|îles|étudiants|employés|hommes|femmes|genres|communes|langues"
    r"|soldats|logements)(?!\w)"
)


def make(settings: MaskSettings) -> Extractor:
    """Builds the extractor; it finds no spans in a language without patterns."""
    return by_text(find, settings)


def find(text: str, language: str) -> list[Span]:
    """Returns the dates of a text. Of overlapping dates the first one is kept: "July 4, 1776", not "1776"."""
    dates = DATES.get(language)
    if dates is None:
        return []
    places = []
    if any(word in text for word in dates.words):
        places = [match.span() for match in dates.at_word.finditer(text)]
    last = 0
    for figure in _FIGURE.finditer(text):
        if figure.start() < last:
            continue
        match = _in_figures(text, figure) or dates.at_figure.match(text, figure.start())
        if match and not (match[0].isdigit() and _is_quantity(text, *match.span(), language)):
            places.append(match.span())
            last = match.end()
    spans = []
    last = 0
    for start, end in sorted(places, key=lambda place: (place[0], -place[1])):
        if start < last:
            continue
        last = end
        if not text[end - 1].isdigit():  # a decade or century, not a year
            qualifier = next((word for word in dates.qualifiers if text.endswith(word, 0, start)), "")
            start -= len(qualifier)
        spans.append(Span(start=start, end=end, category="DATE"))
    return spans


def _in_figures(text: str, figure: re.Match[str]) -> re.Match[str] | None:
    """Returns a date that consists of figures only and starts with `figure`: 2024-05-17, 17/05/2024."""
    if text[figure.end() : figure.end() + 1] in ("-", "/", "."):
        return _IN_FIGURES.match(text, figure.start())
    return None


def _is_quantity(text: str, start: int, end: int, language: str) -> bool:
    """Whether the figure text[start:end] counts something: it has a unit, a counted noun or a currency."""
    tail = FIGURES[language].tail.match(text, end)
    return (
        bool(tail and tail.end() > end)
        or bool(_COUNTED.match(text, end))
        or bool(_CURRENCY_BEFORE.search(text, max(0, start - 2), start))
    )
