"""A shown text taken apart once for all its spans: where each word stands, so that nothing is searched for twice.

A span is looked at as the words [first, last) of the text; "elsewhere" is every other word.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from masksearch.text.words import STEM, akin, base_title, demonyms, located_words, loose_words, stop_words

# Chinese characters that go with any figure: to know them is to know nothing of it.
_COUNTERS = frozenset("年月日")
_ROMAN = re.compile("[ivx]{2,}e?|[ivx]e")


class Reading:
    """A text and the title it has, in loose words."""

    def __init__(self, text: str, title: str, language: str = "") -> None:
        self.text, self.language = text, language
        self._title = loose_words(title, language)
        self._titled, self._name = frozenset(self._title), frozenset(loose_words(base_title(title), language))
        self.words, self._starts, self._ends = located_words(text, language)
        self._stop = stop_words(language)
        self._demonyms = demonyms(language)
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        self._stems: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self.words):
            self._places[word].append(place)
            if len(word) >= STEM:
                self._stems[word[:STEM]].append(place)
        self._countries = [
            place for word in self._demonyms.keys() & self._places.keys() for place in self._places[word]
        ]

    def within(self, start: int, end: int) -> tuple[int, int]:
        """Which words stand in text[start:end], wholly or in part."""
        return bisect_right(self._ends, start), bisect_left(self._starts, end)

    def span_words(self, start: int, end: int) -> list[str]:
        """The words of text[start:end]."""
        first, last = self.within(start, end)
        if first < last and (self._starts[first] < start or self._ends[last - 1] > end):
            return loose_words(
                self.text[start:end], self.language
            )  # cut in a word, or before a sign that reads as letters: "Foo™"
        return self.words[first:last]

    def says_something(self, words: Sequence[str]) -> bool:
        """Whether words are more than stop words and a single letter."""
        return not (
            all(word in self._stop for word in words)
            or (len(words) == 1 and len(words[0]) == 1 and not words[0].isdigit())
        )

    def is_titled(self, words: Sequence[str]) -> bool:
        """Whether words are part of the title, or the title part of them."""
        return self._titled.issuperset(words) or bool(self._name and self._name.issubset(words))

    def title_tells(self, words: Sequence[str]) -> bool:
        """Whether the title has a word that begins like the only one ("Ne" of neon), or gives half of the content away."""
        if (
            len(words) == 1
            and not words[0].isdigit()
            and any(other.startswith(words[0]) for other in self._title)
        ):
            return True
        if self.language == "zh":
            told = [
                told
                for word, told in zip(words, _paired(words, self._title), strict=True)
                if self._is_content(word)
            ]
        else:
            told = [
                any(akin(word, other, self.language) for other in self._titled)
                for word in words
                if self._is_content(word)
            ]
        return bool(told) and 2 * sum(told) >= len(told)

    def repeats(self, words: Sequence[str], first: int, last: int) -> bool:
        """Whether words [first, last) stand elsewhere as a run."""
        size = len(words)
        return any(
            (place >= last or place + size <= first) and self.words[place : place + size] == words
            for place in self._places.get(words[0], ())
        )

    def tells(self, words: Sequence[str], first: int, last: int) -> bool:
        """Whether a part of words [first, last) can be read elsewhere: any of them as it stands, or all in this form or another."""
        if self.language == "zh":
            # Two characters in a row are a word, more or less; a single one may be part of anything.
            told = [
                told
                for word, told in zip(words, _paired(words, self._elsewhere(first, last)), strict=True)
                if self._is_content(word)
            ]
            return bool(told) and all(told)
        if any(
            _outside(self._places.get(word, ()), first, last)
            for word in words
            if len(word) > 1 and word not in self._stop
        ):
            return True
        told = [self._has_akin(word, first, last) for word in words if self._is_content(word)]
        return bool(told) and all(told)

    def _is_content(self, word: str) -> bool:
        """Whether a word counts when it is asked how much of a span is known: a long one; in Chinese every character but stops and counters."""
        if self.language == "zh":
            return word not in self._stop and word not in _COUNTERS
        if self.language in ("es", "fr") and (
            word.isdigit() or _ROMAN.fullmatch(word)
        ):  # "siglo XX" says nothing of "siglo XIX"
            return True
        return len(word) > 3 and word not in self._stop

    def _elsewhere(self, first: int, last: int) -> list[str]:
        return [*self.words[:first], "", *self.words[last:]]

    def _has_akin(self, word: str, first: int, last: int) -> bool:
        """Whether a word akin to this one (`words.akin`) stands elsewhere."""
        if _outside(self._places.get(word, ()), first, last) or (
            len(word) >= STEM and _outside(self._stems.get(word[:STEM], ()), first, last)
        ):
            return True
        people = self._demonyms.get(word)
        if people and any(other.startswith(people) for other in self._elsewhere(first, last)):
            return True
        return any(
            word.startswith(self._demonyms[self.words[place]])
            for place in self._countries
            if not first <= place < last
        )


def _outside(places: Iterable[int], first: int, last: int) -> bool:
    return any(not first <= place < last for place in places)


def _paired(words: Sequence[str], others: Sequence[str]) -> list[bool]:
    """For each of the words (Chinese: characters), whether it stands among others beside a neighbour it has here, or is no character but there."""
    pairs, single = set(itertools.pairwise(others)), set(others)
    told = [len(word) > 1 and word in single for word in words]
    for place, pair in enumerate(itertools.pairwise(words)):
        if pair in pairs:
            told[place] = told[place + 1] = True
    return told
