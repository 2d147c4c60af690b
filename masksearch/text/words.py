"""Finds the words of a text for the masking rules, and checks whether a word also occurs elsewhere.

There are two kinds of word. *Surface* words keep hyphens and apostrophes ("Spanish-American" is one
word); masks and queries consist of them. *Loose* words split at every character except letters and digits
and ignore case and accents; they decide whether an answer can be read elsewhere. In Chinese each
character is a word of either kind, because word segmentation would need a model.

`language` is the language of the text: en, es, fr or zh. Empty or another value is treated as English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from masksearch.text.sentences import UNSPACED
from masksearch.text.terms import STOP_CHARACTERS, fold
from masksearch.text.terms import stop_words as unindexed_words

SURFACE = re.compile(r"[^\W_]+(?:[-‐‑'’&./][^\W_]+|(?<=\d),\d+)*")
_LOOSE = re.compile(r"[^\W_]+")
# The same two patterns for Chinese, where each character is a word. In both, "·" separates the parts of a
# foreign name.
_SPACED = rf"[^\W_{UNSPACED}]"
_SURFACE_ZH = re.compile(rf"[{UNSPACED}]|{_SPACED}+(?:[-‐‑'’&./]{_SPACED}+|(?<=\d),\d+)*")
_LOOSE_ZH = re.compile(rf"[{UNSPACED}]|{_SPACED}+")

# BEFORE matches where a span may start, AFTER where it may end: never inside a word, a hyphenated compound
# or a number ("3" in "3.5", "200" in ".200").
BEFORE = r"(?<![^\W_])(?<![^\W_][-‐‑'’&/])(?<!\d[.,:])(?!(?<=[.,])\d)"
AFTER = r"(?![^\W_])(?![-‐‑&/][^\W_])(?!['’](?!s\b)[^\W_])(?![.,:]\d)"
# Spanish and French group digits with spaces: "344 400 km2" contains neither "344" nor "400".
_BEFORE_ES = BEFORE + r"(?!(?<=\d[ \u00a0\u202f])\d{3}(?!\d))"
_AFTER_ES = AFTER + r"(?!(?<=\d)[ \u00a0\u202f]\d{3}(?!\d))"
# French: the article or pronoun of "l'Allemagne", "d'Orléans" and "qu'Alger" is a separate word.
_BEFORE_FR = rf"(?:{_BEFORE_ES}|(?:(?<=\b[ldnsjmtcLDNSJMTC]['’])|(?<=\b[qQ]u['’]))(?=[^\W_]))"
# Chinese: a span may start and end between any two characters, but not inside a Latin word or a number. A
# number has digits ("3万") or Chinese numerals ("二十三").
_FIGURE = "〇零一二三四五六七八九十百千万亿"
_BETWEEN = rf"(?!(?<=[\d{_FIGURE}])[{_FIGURE}])(?:(?<!{_SPACED})|(?!{_SPACED}))"
_BEFORE_ZH = rf"{_BETWEEN}(?<!{_SPACED}[-‐‑'’&/])(?<!\d[.,:])(?!(?<=[.,])\d)"
_AFTER_ZH = rf"{_BETWEEN}(?![-‐‑&/]{_SPACED})(?!['’](?!s\b){_SPACED})(?![.,:]\d)"

STOP_WORDS = frozenset(
    """a about above after again against all also although am among an and another any are aren't around as
    at be became because become been before being below between both but by can cannot could did do does
    doing done down during each either else especially etc even ever every few first following for from
    further had has have having he her here hers herself him himself his how however i if in including
    into is it its itself just known last later least less like made mainly many may me might more most
    mostly much must my near neither no nor not now of off often on once one only onto or other others
    our out over own part per quite rather same several shall she should since so some still such than
    that the their theirs them themselves then there these they this those though three through
    throughout thus to together too toward towards two under until up upon us used usually various very
    via was we well were what when where whereas whether which while who whom whose why will with within
    without would yet you your""".split()  # noqa: SIM905
)


# The Spanish and French stop words are the words below and the words that are not indexed (see
# `terms.stop_words`), except a few words that carry content ("estado").
_STOP_ES = """
    además ahora alguna algún ambos así aunque año años aún bajo bien cada casi como cuya cuyas cuyo
    cuyos debido dentro después dicha dicho dos embargo entonces etc gran incluso junto luego mayor
    mayoría mediante mejor menos mientras misma mismas mismo mismos nunca parte primer primera primero
    principalmente puede pueden pues segunda segundo según ser sido siempre siendo sino sola solamente
    solo sólo tal tales tan toda todas tras través tres varias varios veces vez última último única
    único
"""
_KEPT_ES = """estado estados sentido sentida sentidos sentidas"""
_STOP_FR = """
    afin ailleurs ainsi alors an année années ans après assez aucun aucune aussi autant autre autres
    avant beaucoup bien car ceci cela celle celle-ci celles celles-ci celui celui-ci certain certaine
    certaines certains cet cette ceux ceux-ci chaque chez comme comment contre depuis dernier dernière
    deux donc dont durant dès elles encore enfin entre environ environs fait fois hors ici jusque
    laquelle lequel leurs lors lorsque là mieux moins nommé notamment or où parfois parmi partie peu
    peut peuvent plus plusieurs plutôt premier première presque principalement près puis puisque quand
    quel quelle quelles quelque quelques quels sans second seconde selon seul seule seulement si sinon
    sous souvent surtout tant tel telle telles tels toujours tous tout toute toutes trois trop très vers
    via voici voilà également être
"""


@cache
def stop_words(language: str = "") -> frozenset[str]:
    """Returns the stop words in lower case, both with and without accents; for Chinese, stop characters."""
    extra = {"es": _STOP_ES, "fr": _STOP_FR}.get(language)
    if language == "zh":
        return frozenset(STOP_CHARACTERS)
    if extra is None:
        return STOP_WORDS
    words = (unindexed_words(language) | set(extra.split())) - set(_KEPT_ES.split())
    return frozenset(words) | frozenset(folded(word) for word in words)


def surface(language: str = "") -> re.Pattern[str]:
    """Returns the pattern of a surface word."""
    return _SURFACE_ZH if language == "zh" else SURFACE


def boundaries(language: str = "") -> tuple[str, str]:
    """Returns zero-width patterns for the places where a span may start and end."""
    patterns = {"es": (_BEFORE_ES, _AFTER_ES), "fr": (_BEFORE_FR, _AFTER_ES), "zh": (_BEFORE_ZH, _AFTER_ZH)}
    return patterns.get(language, (BEFORE, AFTER))


@cache
def _bounds(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    before, after = boundaries(language)
    return re.compile(before), re.compile(after)


class _Folding(dict[int, str]):
    """Table for str.translate: each character without case and accents, computed at its first use."""

    def __missing__(self, code: int) -> str:
        self[code] = fold(chr(code)).casefold()
        return self[code]


_FOLDING = _Folding()


def folded(text: str) -> str:
    """Removes case and accents: `Ça` -> `ca`."""
    return text.casefold() if text.isascii() else text.translate(_FOLDING)


def loose_words(text: str, language: str = "") -> list[str]:
    """Returns the loose words of a text: `São Paulo's` -> `["sao", "paulo", "s"]`."""
    return (_LOOSE_ZH if language == "zh" else _LOOSE).findall(folded(text))


def located_words(text: str, language: str = "") -> tuple[list[str], list[int], list[int]]:
    """Returns the loose words of a text, their starts and their ends, as offsets in the unchanged text."""
    plain = folded(text)
    matches = list((_LOOSE_ZH if language == "zh" else _LOOSE).finditer(plain))
    words = [match[0] for match in matches]
    starts = [match.start() for match in matches]
    ends = [match.end() for match in matches]
    if not text.isascii() and any(len(_FOLDING[ord(char)]) != 1 for char in set(text)):
        # "ß" becomes two letters, a combining accent none: map each folded letter to its source character.
        source = [place for place, char in enumerate(text) for _ in folded(char)]
        starts, ends = [source[start] for start in starts], [source[end - 1] + 1 for end in ends]
    return words, starts, ends


def has_sequence(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether `part` is a contiguous run of `words`. False for an empty part."""
    size = len(part)
    return size > 0 and any(
        words[place] == part[0] and list(words[place : place + size]) == list(part)
        for place in range(len(words) - size + 1)
    )


def at_boundaries(text: str, start: int, end: int, language: str = "") -> bool:
    """Whether text[start:end] starts and ends at word boundaries."""
    before, after = _bounds(language)
    return bool(before.match(text, start) and after.match(text, end))


_PARENTHESIS = re.compile(r"\s*[(（][^()（）]*[)）]\s*$")


def base_title(title: str) -> str:
    """Returns a title without its disambiguating parenthesis: `Mercury (planet)` -> `Mercury`."""
    if not title.rstrip().endswith((")", "）")):
        return title.strip()
    return _PARENTHESIS.sub("", title).strip() or title.strip()


# Country -> first letters of its adjective, if these differ from the first letters of the country.
_DEMONYMS = {
    "france": "fren", "spain": "spani", "england": "engli", "china": "chine", "greece": "greek",
    "netherlands": "dutch", "holland": "dutch", "poland": "polis", "turkey": "turki",
    "denmark": "danis", "wales": "welsh", "switzerland": "swiss", "ireland": "irish",
    "scotland": "scott", "sweden": "swedi", "finland": "finni", "britain": "briti", "kingdom": "briti",
    "rome": "roman", "iraq": "iraqi", "peru": "peruv", "persia": "irani", "states": "ameri",
    "america": "ameri", "cuba": "cuban", "iran": "irani", "troy": "troja", "egypt": "egypt",
}  # fmt: skip
_DEMONYMS_ES = {
    "inglaterra": "ingles", "china": "chin", "grecia": "grieg", "polonia": "polac", "turquia": "turc",
    "dinamarca": "danes", "suiza": "suiz", "suecia": "suec", "reino": "britan", "bretana": "britan",
    "bajos": "neerla", "holanda": "neerla", "roma": "roman", "irak": "iraqu", "iraq": "iraqu",
    "peru": "peruan", "cuba": "cuban", "iran": "irani", "rusia": "rus", "belgica": "belg",
    "chequia": "checo", "india": "indi", "siria": "siri", "egipto": "egipc", "croacia": "croat",
    "eslovaquia": "eslov", "persia": "pers", "asia": "asia", "troya": "troya", "libia": "libi",
    "islandia": "islan", "serbia": "serbi", "galia": "galo", "bosnia": "bosni", "estados": "estadou",
    "unidos": "estadou",
}  # fmt: skip
_DEMONYMS_FR = {
    "angleterre": "anglai", "chine": "chino", "grece": "grec", "pologne": "polon", "turquie": "turc",
    "danemark": "danoi", "suede": "suedo", "royaume": "britan", "bretagne": "breton", "rome": "romai",
    "irak": "iraki", "perou": "peruv", "cuba": "cubai", "iran": "irani", "russie": "russe",
    "belgique": "belge", "tchequie": "tchec", "inde": "indi", "syrie": "syri", "croatie": "croat",
    "perse": "pers", "asie": "asiat", "troie": "troye", "gaule": "gaul", "galles": "gallo",
    "libye": "libye", "serbie": "serbe", "bas": "neerla", "hollande": "neerla", "unis": "ameri",
    "etats": "ameri", "amerique": "ameri", "athenes": "athen", "espagne": "espag", "allemagne": "allem",
}  # fmt: skip
_OTHER_DEMONYMS: Mapping[str, Mapping[str, str]] = {"es": _DEMONYMS_ES, "fr": _DEMONYMS_FR, "zh": {}}
STEM = 5
"""Number of first letters that two words must share to count as forms of one word."""


def demonyms(language: str = "") -> Mapping[str, str]:
    """Returns a map from countries to the first letters of their adjectives: "france" -> "fren".

    The map has only countries whose own first letters differ from those of the adjective.
    """
    return _OTHER_DEMONYMS.get(language, _DEMONYMS)


def akin(word: str, other: str, language: str = "") -> bool:
    """Whether one word reveals the other.

    True for equal words, for words with the same first five letters ("Germany", "German"), and for a
    country and its adjective.
    """
    if word == other or (len(word) >= STEM and len(other) >= STEM and word[:STEM] == other[:STEM]):
        return True
    first, second = demonyms(language).get(word), demonyms(language).get(other)
    return bool((first and other.startswith(first)) or (second and word.startswith(second)))
