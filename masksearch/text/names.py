"""Names that can be read in a text: what a search may be about next, and what links two texts.

Found by their letters alone, without a model: in English, Spanish and French runs of words with capitals ("Bank of England"), in Chinese titles
between 《》 and foreign names held together by "·". No months, no days, no single adjectives of a people, no word that is large only because a
sentence begins with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from masksearch.text.sentences import UNSPACED
from masksearch.text.words import SURFACE, folded, stop_words

# What may stand between two words of a name, beside a space: an initial's full stop, an ampersand, small words.
_SMALL = "of|the|and the|of the|de|de la|de las|de los|del|della|der|des|di|do|da|dos|du|el|la|le|les|of St|ibn|bin|van|van der|van den|von|von der|y|et|&"
_BETWEEN = re.compile(rf"\s+|(?<=\b\w)\.\s?|\s(?:{_SMALL})\s|\s(?:de l|d|l)['’]")
# What goes on with a name, but begins none: a short figure, "d'Agoult", "al-Tabari".
_GOES_ON = re.compile(r"\d{1,3}|(?:[dl]['’]|al-)[^\W\d_a-z].*")
_POSSESSIVE = re.compile(r"['’]s?$")
_PEOPLE = re.compile(
    r".*(?:[^aeiou]ian|ican|ean|ish|ese)|french|german|dutch|greek|swiss|welsh|czech|thai|iraqi|israeli|pakistani|arab|roman"
)
_CALENDAR = frozenset(
    """january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday
    sunday""".split()  # noqa: SIM905
)
_ASKING = frozenset(
    "are did do does how in is name on was were what when where which who whom whose why".split()
)  # noqa: SIM905
_SENTENCE_END = re.compile(r"(?:^|[.!?:;]['\"”’)]*\s+|[\"“(«]|\s[-–—]\s)$")
# Characters that end a foreign name, because they hardly stand in one.
_NAMED_ZH = rf"(?![是在于於和与與的了为為等及被由])[{UNSPACED}]"
_NAMES_ZH = re.compile(
    rf"《([^》]{{1,20}})》|((?:{_NAMED_ZH}){{1,6}}(?:[·•](?:{_NAMED_ZH}){{1,8}})+)|([A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*)"
)


@dataclass(frozen=True)
class Name:
    """A name, and where it stands: characters [start, end)."""

    text: str
    start: int
    end: int

    @property
    def words(self) -> frozenset[str]:
        """Its words without case and accents; of a Chinese name, the whole of it."""
        return name_words(self.text)

    @property
    def is_long(self) -> bool:
        """Whether it is more than one word, or a Chinese name: such a name seldom stands for two things."""
        return len(self.words) > 1 or (
            not self.text.isascii() and bool(re.search(rf"[{UNSPACED}]", self.text))
        )


@cache
def name_words(text: str) -> frozenset[str]:
    """The words of a name that say something, without case and accents; a Chinese name is one word."""
    words = re.findall(rf"[{UNSPACED}·•]+|[^\W_{UNSPACED}]+", folded(text))
    return frozenset(word for word in words if word not in stop_words("")) or frozenset(words)


def names(text: str, language: str = "") -> list[Name]:
    """The names in a text, from left to right."""
    if language == "zh":
        found = [
            (match, next(group for group in (1, 2, 3) if match[group])) for match in _NAMES_ZH.finditer(text)
        ]
        return [Name(match[group], match.start(group), match.end(group)) for match, group in found]
    runs = list(_runs(text, language))
    # A lone word that begins a sentence is a name where the text writes it so elsewhere.
    sure = {
        word
        for start, end, opens in runs
        if not (opens and _is_one(text[start:end]))
        for word in name_words(text[start:end])
    }
    kept = [
        Name(text[start:end], start, end)
        for start, end, opens in runs
        if not (opens and _is_one(text[start:end])) or folded(text[start:end]) in sure
    ]
    return [name for name in kept if len(name.text) > 2 and not _describes(text, name)]


def _describes(text: str, name: Name) -> bool:
    """Whether it is no more than an adjective: "American", "British-American", "South African" before "actress"."""
    parts = re.split("[-‐‑ ]", folded(name.text))
    if all(map(_PEOPLE.fullmatch, parts)):
        return True
    # "South African actress", "American Western film".
    goes_on = re.match(r"\s[a-zà-ÿ]", text[name.end :])
    return bool(goes_on and len(parts) == 2 and any(map(_PEOPLE.fullmatch, parts)))


def _is_one(text: str) -> bool:
    return len(text.split()) == 1 and "-" not in text and text[1:].islower()


def _runs(text: str, language: str) -> Iterator[tuple[int, int, bool]]:
    """Runs of capitalised words: where each begins and ends, and whether it opens a sentence."""
    run: list[re.Match[str]] = []
    for word in SURFACE.finditer(text):
        capital = (word[0][0].isupper() and word[0].casefold() not in _CALENDAR) or bool(
            run and _GOES_ON.fullmatch(word[0])
        )
        joined = (
            bool(run)
            and bool(_BETWEEN.fullmatch(text, run[-1].end(), word.start()))
            and not run[-1][0].endswith(("'s", "’s"))
        )
        if capital and re.search(r"[-‐‑][a-zà-ÿ]", word[0]):
            run = []  # "New Zealand-born" names nothing
        elif capital and joined:
            run.append(word)
        elif capital or not _small_word(text, word):
            yield from _trimmed(text, run, language)
            run = [word] if capital else []
    yield from _trimmed(text, run, language)


def _small_word(text: str, word: re.Match[str]) -> bool:
    """Whether a word may stand inside a name; the run is judged at the next capital."""
    return bool(re.fullmatch(rf"(?:{_SMALL}|and|St|l|d)", word[0])) and text[word.end() : word.end() + 1] in (
        " ",
        "'",
        "’",
    )


def _trimmed(text: str, run: list[re.Match[str]], language: str) -> Iterator[tuple[int, int, bool]]:
    """A run without what it merely begins with: "The", "In"."""
    opens = bool(run) and bool(_SENTENCE_END.search(text[max(0, run[0].start() - 4) : run[0].start()]))
    silent = stop_words(language) | _ASKING
    while run and (run[0][0].casefold() in silent or (run[0][0].isdigit())):
        run = run[1:]
        opens = False
    if run:
        ending = _POSSESSIVE.search(run[-1][0])
        yield run[0].start(), run[-1].end() - (len(ending[0]) if ending else 0), opens
