"""Text into index terms: words, lower case, no stop words, stemmed, accents folded. The same for passages and queries.

Change the outcome of anything here and raise `TOKENISER`: it is part of every index's fingerprint.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

TOKENISER = 1

# A run of letters and digits; in scripts without spaces, each character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_STEMMERS = {"en": "english", "es": "spanish", "fr": "french"}
_CLITICS = {"en": ("s", "t", "d", "ll", "re", "ve"), "es": (), "fr": ("l", "d", "j", "n", "m", "t", "s", "c", "qu")}


@cache
def stop_words(language: str) -> frozenset[str]:
    """Words that are not indexed: bm25s' lists, and what an apostrophe leaves behind ("l'", "'s")."""
    from bm25s import stopwords

    lists = {"en": stopwords.STOPWORDS_EN, "es": stopwords.STOPWORDS_SPANISH, "fr": stopwords.STOPWORDS_FRENCH}
    return frozenset(lists[language]) | frozenset(_CLITICS[language])


def fold(word: str) -> str:
    """Without accents: `pelé` -> `pele`."""
    if word.isascii():
        return word
    return "".join(char for char in unicodedata.normalize("NFKD", word) if not unicodedata.combining(char))


class Tokeniser:
    """Terms of one language. Stemmers belong to one thread and do not pickle, so each thread makes its own."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._stop = stop_words(language)
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
        """Terms with the place of their word: (term, start, end)."""
        stemmer = self._stemmer()
        for match in _WORD.finditer(text):
            word = match[0].lower()
            if word not in self._stop:
                yield fold(stemmer.stemWord(word)), match.start(), match.end()

    def terms(self, text: str) -> list[str]:
        """The terms of a text, in order, with repetitions."""
        words = [word for word in _WORD.findall(text.lower()) if word not in self._stop]
        return [fold(term) for term in self._stemmer().stemWords(words)]
