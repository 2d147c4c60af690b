"""Finds the names in a text: possible topics of the next search, and links between two texts.

Names are found by spelling alone, without a model: in English, Spanish and French as runs of capitalised
words ("Bank of England"), in Chinese as titles between 《》 and as foreign names joined by "·". Some
capitalised words are not names: months, weekdays, adjectives of nationality ("American"), and words that
are capitalised only because they start a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from masksearch.text.sentences import UNSPACED
from masksearch.text.words import SURFACE, folded, stop_words

# Two words of a name may be separated by a space, by the full stop of an initial, or by one of these small
# words.
_SMALL = (
    "of|the|and the|of the|de|de la|de las|de los|del|della|der|des|di|do|da|dos|du|el|la|le|les|of St|ibn"
    "|bin|van|van der|van den|von|von der|y|et|&"
)
_BETWEEN = re.compile(rf"\s+|(?<=\b\w)\.\s?|\s(?:{_SMALL})\s|\s(?:de l|d|l)['’]")
# Matches a word that can continue a name but cannot start one: a short number, "d'Agoult", "al-Tabari".
_GOES_ON = re.compile(r"\d{1,3}|(?:[dl]['’]|al-)[^\W\d_a-z].*")
_POSSESSIVE = re.compile(r"['’]s?$")
_PEOPLE = re.compile(
    r".*(?:[^aeiou]ian|ican|ean|ish|ese)|french|german|dutch|greek|swiss|welsh|czech|thai|iraqi|israeli"
    r"|pakistani|arab|roman"
)
_CALENDAR = frozenset(
    """january february march april may june july august september october november december monday tuesday
    wednesday thursday friday saturday sunday""".split()  # noqa: SIM905
)
_ASKING = frozenset(
    """are did do does how in is name on was were what when where which who whom whose why""".split()  # noqa: SIM905
)
_SENTENCE_END = re.compile(r"(?:^|[.!?:;]['\"”’)]*\s+|[\"“(«]|\s[-–—]\s)$")
# One character of a foreign name. The excluded characters end the name, because they are common words of
# Chinese text and hardly ever occur in a foreign name.
_NAMED_ZH = rf"(?![是在于於和与與的了为為等及被由])[{UNSPACED}]"
_NAMES_ZH = re.compile(
    rf"《([^》]{{1,20}})》|((?:{_NAMED_ZH}){{1,6}}(?:[·•](?:{_NAMED_ZH}){{1,8}})+)"
    r"|([A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*)"
)


@dataclass(frozen=True)
class Name:
    """A name and its place in the text: characters [start, end)."""

    text: str
    start: int
    end: int

    @property
    def words(self) -> frozenset[str]:
        """Words of the name without case and accents; a Chinese name is one word."""
        return name_words(self.text)

    @property
    def is_long(self) -> bool:
        """Whether the name has several words or is Chinese; such names are seldom ambiguous."""
        return len(self.words) > 1 or (
            not self.text.isascii() and bool(re.search(rf"[{UNSPACED}]", self.text))
        )


@cache
def name_words(text: str) -> frozenset[str]:
    """Returns the content words of a name, without case and accents; a Chinese name is one word.

    A name that consists only of stop words keeps all of them.
    """
    words = re.findall(rf"[{UNSPACED}·•]+|[^\W_{UNSPACED}]+", folded(text))
    return frozenset(word for word in words if word not in stop_words("")) or frozenset(words)


def names(text: str, language: str = "") -> list[Name]:
    """Returns the names in a text, from left to right."""
    if language == "zh":
        found = []
        for match in _NAMES_ZH.finditer(text):
            group = next(group for group in (1, 2, 3) if match[group])
            found.append(Name(match[group], match.start(group), match.end(group)))
        return found
    runs = list(_runs(text, language))
    # A single word at the start of a sentence is a name only if another name of the text contains it.
    sure = {
        word
        for start, end, opens in runs
        if not (opens and _is_single_word(text[start:end]))
        for word in name_words(text[start:end])
    }
    kept = [
        Name(text[start:end], start, end)
        for start, end, opens in runs
        if not (opens and _is_single_word(text[start:end])) or folded(text[start:end]) in sure
    ]
    return [name for name in kept if len(name.text) > 2 and not _describes(text, name)]


def _describes(text: str, name: Name) -> bool:
    """Whether the name is an adjective of nationality: "American", "British-American". A name of two words,
    one of them such an adjective, counts only before a lower-case word: "South African" in "South African
    actress"."""
    parts = re.split("[-‐‑ ]", folded(name.text))
    if all(map(_PEOPLE.fullmatch, parts)):
        return True
    # A name of two words before a lower-case word: "South African" in "South African actress", "American
    # Western" in "American Western film".
    goes_on = re.match(r"\s[a-zà-ÿ]", text[name.end :])
    return bool(goes_on and len(parts) == 2 and any(map(_PEOPLE.fullmatch, parts)))


def _is_single_word(text: str) -> bool:
    """Whether a run of capitalised words (see `_runs`) is one plain word: no hyphen, no capital after the
    first letter."""
    return len(text.split()) == 1 and "-" not in text and text[1:].islower()


def _runs(text: str, language: str) -> Iterator[tuple[int, int, bool]]:
    """Yields the runs of capitalised words in a text, each as (start, end, whether the run opens a
    sentence)."""
    run: list[re.Match[str]] = []
    for word in SURFACE.finditer(text):
        is_capitalised = word[0][0].isupper() and word[0].casefold() not in _CALENDAR
        capital = is_capitalised or bool(run and _GOES_ON.fullmatch(word[0]))
        joined = (
            bool(run)
            and bool(_BETWEEN.fullmatch(text, run[-1].end(), word.start()))
            and not run[-1][0].endswith(("'s", "’s"))  # a possessive ends a name
        )
        if capital and re.search(r"[-‐‑][a-zà-ÿ]", word[0]):
            run = []  # "New Zealand-born" is an adjective
        elif capital and joined:
            run.append(word)
        elif capital or not _small_word(text, word):
            yield from _trimmed(text, run, language)
            run = [word] if capital else []
    yield from _trimmed(text, run, language)


def _small_word(text: str, word: re.Match[str]) -> bool:
    """Whether a word is a small word ("of", "de") that may occur inside a name.

    Such a word does not end the run; the next capitalised word decides whether the run continues.
    """
    follow = text[word.end() : word.end() + 1]
    return bool(re.fullmatch(rf"(?:{_SMALL}|and|St|l|d)", word[0])) and follow in (" ", "'", "’")


def _trimmed(text: str, run: list[re.Match[str]], language: str) -> Iterator[tuple[int, int, bool]]:
    """Yields a run of capitalised words as (start, end, whether the run opens a sentence).

    Removes leading stop words ("The", "In"), leading numbers and a final possessive. Yields nothing if no
    word is left.
    """
    opens = bool(run) and bool(_SENTENCE_END.search(text[max(0, run[0].start() - 4) : run[0].start()]))
    not_names = stop_words(language) | _ASKING
    while run and (run[0][0].casefold() in not_names or run[0][0].isdigit()):
        run = run[1:]
        opens = False
    if run:
        ending = _POSSESSIVE.search(run[-1][0])
        yield run[0].start(), run[-1].end() - (len(ending[0]) if ending else 0), opens
