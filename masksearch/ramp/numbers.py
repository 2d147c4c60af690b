"""Figures by pattern, with their currency, magnitude and unit: `$1.5 billion`, `44.62 square kilometers`, `352,381`, `12%`.

A bare figure below 20 says too little to be searched for ("3 of them") and is left alone, as is one that is spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from masksearch.types import Span

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MAGNITUDE = r"(?:\s(?:thousand|million|billion|trillion))"
_UNIT = (
    r"(?:\s?(?:%|°[CF]|°)|\s(?:per\s?cent|percent|degrees(?:\s(?:Celsius|Fahrenheit))?|square\s(?:kilomet(?:er|re)s|met(?:er|re)s|miles|feet)|kilomet(?:er|re)s"
    r"|met(?:er|re)s|centimet(?:er|re)s|millimet(?:er|re)s|miles|feet|inches|acres|hectares|tonnes|tons|kilograms|grams|pounds|lit(?:er|re)s|gallons"
    r"|km2|km²|km|cm|mm|m|kg|g|mi|ft|lb|sq\smi|hours|minutes|seconds|days|weeks|months|years|euros|dollars)\b)"
)
_QUANTITY = re.compile(rf"(?P<currency>(?:US|A|C|NZ|HK)?[$£€¥]\s?)?(?P<number>{_NUMBER})(?P<magnitude>{_MAGNITUDE})?(?P<unit>{_UNIT})?")
LEAST = 20
"""Smallest bare figure."""


def extract(texts: Sequence[str]) -> Iterator[list[Span]]:
    """The quantities of each text."""
    for text in texts:
        yield [Span(start=match.start(), end=match.end(), category="NUMBER") for match in _QUANTITY.finditer(text) if _says_enough(match)]


def _says_enough(match: re.Match[str]) -> bool:
    dressed = match["currency"] or match["magnitude"] or match["unit"]
    return bool(dressed) or float(match["number"].replace(",", "")) >= LEAST
