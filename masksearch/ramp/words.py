"""Words of a text, for the rules of masking: what stands where, and what stands nowhere else.

Two notions of a word. *Surface* words keep hyphens and apostrophes ("Spanish-American" is one): masks and queries are made of them.
*Loose* words split at everything but letters and digits, without case and accents: they decide whether something can be read elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

SURFACE = re.compile(r"[^\W_]+(?:[-‐‑'’&./][^\W_]+|(?<=\d),\d+)*")
_LOOSE = re.compile(r"[^\W_]+")
# Not in the middle of a word, a hyphenated compound or a figure ("3" in "3.5", "200" in ".200").
BEFORE = r"(?<![^\W_])(?<![^\W_][-‐‑'’&/])(?<!\d[.,:])(?!(?<=[.,])\d)"
AFTER = r"(?![^\W_])(?![-‐‑&/][^\W_])(?!['’](?!s\b)[^\W_])(?![.,:]\d)"
_BOUNDED_START = re.compile(BEFORE)
_BOUNDED_END = re.compile(AFTER)

STOP_WORDS = frozenset(
    """a about above after again against all also although am among an and another any are aren't around as at be became because become been
    before being below between both but by can cannot could did do does doing done down during each either else especially etc even ever every
    few first following for from further had has have having he her here hers herself him himself his how however i if in including into is it
    its itself just known last later least less like made mainly many may me might more most mostly much must my near neither no nor not now of
    off often on once one only onto or other others our out over own part per quite rather same several shall she should since so some still
    such than that the their theirs them themselves then there these they this those though three through throughout thus to together too toward
    towards two under until up upon us used usually various very via was we well were what when where whereas whether which while who whom whose
    why will with within without would yet you your""".split()  # noqa: SIM905
)


def loose_words(text: str) -> list[str]:
    """Lower-case words without accents: `São Paulo's` -> `["sao", "paulo", "s"]`."""
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return _LOOSE.findall(text.casefold())


def has_sequence(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether `part` stands in `words` as a run. An empty part stands nowhere."""
    size = len(part)
    return size > 0 and any(words[place] == part[0] and list(words[place : place + size]) == list(part) for place in range(len(words) - size + 1))


def at_boundaries(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] neither begins nor ends in the middle of a word."""
    return bool(_BOUNDED_START.match(text, start) and _BOUNDED_END.match(text, end))


def base_title(title: str) -> str:
    """A title without the parenthesis that tells it from others: `Mercury (planet)` -> `Mercury`."""
    return re.sub(r"\s*\([^()]*\)\s*$", "", title).strip() or title.strip()


# Names of countries whose adjective begins otherwise, by the letters they are known by.
_DEMONYMS = {
    "france": "fren", "spain": "spani", "england": "engli", "china": "chine", "greece": "greek", "netherlands": "dutch", "holland": "dutch",
    "poland": "polis", "turkey": "turki", "denmark": "danis", "wales": "welsh", "switzerland": "swiss", "ireland": "irish", "scotland": "scott",
    "sweden": "swedi", "finland": "finni", "britain": "briti", "kingdom": "briti", "rome": "roman", "iraq": "iraqi", "peru": "peruv",
    "persia": "irani", "states": "ameri", "america": "ameri", "cuba": "cuban", "iran": "irani", "troy": "troja", "egypt": "egypt",
}  # fmt: skip


def akin(word: str, other: str) -> bool:
    """Whether one gives the other away: the same word, the same first five letters ("Germany", "German"), a country and its adjective."""
    if word == other or (len(word) >= 5 and len(other) >= 5 and word[:5] == other[:5]):
        return True
    first, second = _DEMONYMS.get(word), _DEMONYMS.get(other)
    return bool((first and other.startswith(first)) or (second and word.startswith(second)))
