"""Turns text into index terms: lower-case words, accents folded, stemmed, without stop words.

Passages and queries use the same terms. Chinese needs no word segmenter: each character and each pair of
neighbours is a term. A pair usually is a word, because most Chinese words have two characters. Single
characters match if no pair does. In Chinese text, words in other scripts are not stemmed.

A change to the terms requires a higher `TOKENISER`, which is part of every index's fingerprint.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from masksearch.text.sentences import UNSPACED

TOKENISER = 3
"""Version of the rules that turn text into terms."""

# Matches a word: a run of letters and digits with their combining accents. In scripts without spaces, each
# character is a word.
_ACCENT = "\u0300-\u036f"
_LETTERS = rf"[^\W_{UNSPACED}]"
_WORD = rf"[{UNSPACED}]|(?<!{_LETTERS}){_LETTERS}+(?:[{_ACCENT}]+{_LETTERS}*)*"
_STEMMERS = {"en": "english", "es": "spanish", "fr": "french"}
_CLITICS = {
    "en": ("s", "t", "d", "ll", "re", "ve"),
    "es": (),
    "fr": ("l", "d", "j", "n", "m", "t", "s", "c", "qu"),
}
# A clitic is no term at its apostrophe ("Ford's", "l'armée"); elsewhere it is ("Model T", "Vitamin D").
_PATTERNS = {
    "en": re.compile(rf"(?!(?<=\w['’])(?:{'|'.join(_CLITICS['en'])})\b)(?:{_WORD})", re.IGNORECASE),
    "es": re.compile(_WORD),
    "fr": re.compile(rf"(?!\b(?:{'|'.join(_CLITICS['fr'])})['’]\w)(?:{_WORD})", re.IGNORECASE),
}
# Letters that Unicode does not take apart into a plain letter and a mark.
_WHOLE_LETTERS = str.maketrans(
    {
        "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "đ": "d",
        "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ß": "ss", "ẞ": "SS", "ħ": "h", "Ħ": "H",
        "ı": "i", "ŋ": "n", "Ŋ": "N", "ŧ": "t", "Ŧ": "T",
    }
)  # fmt: skip
STOP_CHARACTERS = "的了在是与與及或们們他她它我你您这這被把于於为為而吗嗎呢吧啊很也"
"""Chinese characters that are hardly ever part of a name. Such a character is neither a term nor part of a
term.

The characters of "共和国" (republic) and "以色列" (Israel) must not be listed, because they form names.
"""
_RUN = re.compile(rf"[{UNSPACED}]+")
_CHINESE = re.compile(rf"[^\W_{STOP_CHARACTERS}{UNSPACED}]+|(?:(?![{STOP_CHARACTERS}])[{UNSPACED}])+")


@cache
def stop_words(language: str) -> frozenset[str]:
    """Returns the words of a language that say nothing by themselves: the stop words of bm25s, and clitics
    ("l'", "'s").

    For Chinese, returns the stop characters.
    """
    if language == "zh":
        return frozenset(STOP_CHARACTERS)
    stopwords = _module_of_bm25s("stopwords")
    lists = {
        "en": stopwords.STOPWORDS_EN,
        "es": stopwords.STOPWORDS_SPANISH,
        "fr": stopwords.STOPWORDS_FRENCH,
    }
    return frozenset(lists[language]) | frozenset(_CLITICS[language])


def _module_of_bm25s(name: str) -> ModuleType:
    """Returns a module of bm25s that imports nothing. The package itself would import scipy and numba, which
    takes as long as a search."""
    package = find_spec("bm25s")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'bm25s'", name="bm25s")
    spec = spec_from_file_location(f"bm25s.{name}", Path(package.origin).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fold(word: str) -> str:
    """Removes accents and turns other Latin letters into plain ones: `pelé` -> `pele`, `Łódź` -> `Lodz`."""
    if word.isascii():
        return word
    plain = "".join(char for char in unicodedata.normalize("NFKD", word) if not unicodedata.combining(char))
    return plain.translate(_WHOLE_LETTERS)


def lower(text: str) -> str:
    """Returns the text in lower case and composed form (NFC), so that each accented letter has only one
    encoding."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower())


class Tokeniser:
    """Tokeniser of one language.

    A stemmer must stay in one thread and cannot be pickled, so each thread creates its own stemmer.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._stop = stop_words(language) - frozenset(_CLITICS.get(language, ()))
        self._local = threading.local()

    def __reduce__(self) -> tuple[type[Tokeniser], tuple[str]]:
        return Tokeniser, (self.language,)

    def _stemmer(self) -> Any:
        stemmer = getattr(self._local, "stemmer", None)
        if stemmer is None:
            import Stemmer

            stemmer = self._local.stemmer = Stemmer.Stemmer(_STEMMERS[self.language])
        return stemmer

    def located(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yields terms with the place of their word: (term, start, end).

        For Chinese, yields only single characters, so that terms do not overlap.
        """
        if self.language == "zh":
            yield from (
                term for term in _chinese_terms(text) if term[2] - term[1] == 1 or not _RUN.match(term[0])
            )
            return
        stemmer = self._stemmer()
        for match in _PATTERNS[self.language].finditer(text):
            word = lower(match[0])
            if word not in self._stop:
                yield stemmer.stemWord(fold(word)), match.start(), match.end()

    def terms(self, text: str) -> list[str]:
        """Returns the terms of a text, in order, with repetitions."""
        if self.language == "zh":
            return [term for term, _, _ in _chinese_terms(text)]
        found = _PATTERNS[self.language].findall(lower(text))
        words = [fold(word) for word in found if word not in self._stop]
        return self._stemmer().stemWords(words)  # type: ignore[no-any-return]


def _chinese_terms(text: str) -> Iterator[tuple[str, int, int]]:
    """Yields the terms of Chinese text: each character, and each pair of adjacent characters. No term
    contains a stop character. Each term comes as (term, start, end).

    Words in other scripts are lower-cased and lose their accents.
    """
    for match in _CHINESE.finditer(text):
        run, start = match[0], match.start()
        if not _RUN.match(run):
            yield fold(run.lower()), start, match.end()
            continue
        for place, char in enumerate(run):
            yield char, start + place, start + place + 1
            if place + 1 < len(run):
                yield run[place : place + 2], start + place, start + place + 2


def highlight(
    text: str, query: str, language: str = "en", before: str = "\x1b[1m", after: str = "\x1b[0m"
) -> str:
    """Puts `before` and `after` around each word that matches the query; the defaults show these words in
    bold on a terminal."""
    tokeniser = Tokeniser(language)
    wanted = set(tokeniser.terms(query))
    for term, start, end in reversed(list(tokeniser.located(text))):
        if term in wanted:
            text = f"{text[:start]}{before}{text[start:end]}{after}{text[end:]}"
    return text
