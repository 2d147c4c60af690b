"""An index of the words of a task's text, which decides whether the rest of the text gives a span away.

The text is split into words once for all its spans. A span is given as its words and their range
[first, last) in the text. "Elsewhere" means in the text outside this range.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from masksearch.text.words import STEM, akin, base_title, demonyms, located_words, loose_words, stop_words

# Chinese characters for year, month and day. They follow any figure, so they give no figure away.
_COUNTERS = frozenset("年月日")
_ROMAN = re.compile("[ivx]{2,}e?|[ivx]e")


class ShownText:
    """The shown text of a task and its title, in loose words (see `text.words.loose_words`)."""

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
        """Returns the range [first, last) of the words that text[start:end] contains, in full or in part."""
        return bisect_right(self._ends, start), bisect_left(self._starts, end)

    def span_words(self, start: int, end: int) -> list[str]:
        """Returns the words of text[start:end]."""
        first, last = self.within(start, end)
        if first < last and (self._starts[first] < start or self._ends[last - 1] > end):
            # The span cuts a word, or ends before a sign that is normalised to letters ("Foo™").
            return loose_words(self.text[start:end], self.language)
        return self.words[first:last]

    def is_specific(self, words: Sequence[str]) -> bool:
        """Whether the words are more than stop words or a single letter."""
        if all(word in self._stop for word in words):
            return False
        return not (len(words) == 1 and len(words[0]) == 1 and not words[0].isdigit())

    def overlaps_title(self, words: Sequence[str]) -> bool:
        """Whether the title contains all the words, or they contain the title without its parenthesis."""
        return self._titled.issuperset(words) or bool(self._name and self._name.issubset(words))

    def is_inferable_from_title(self, words: Sequence[str]) -> bool:
        """Whether a span can be inferred from the title.

        True if the span is one word and a title word starts with it ("Ne" and "Neon"), or if the title has
        words akin (see `words.akin`) to at least half of the span's content words.
        """
        if (
            len(words) == 1
            and not words[0].isdigit()
            and any(other.startswith(words[0]) for other in self._title)
        ):
            return True
        if self.language == "zh":
            known = self._known_content(words, self._title)
        else:
            known = [
                any(akin(word, other, self.language) for other in self._titled)
                for word in words
                if self._is_content(word)
            ]
        return bool(known) and 2 * sum(known) >= len(known)

    def repeats(self, words: Sequence[str], first: int, last: int) -> bool:
        """Whether the words of the span [first, last) also occur elsewhere in a row."""
        size = len(words)
        return any(
            (place >= last or place + size <= first) and self.words[place : place + size] == words
            for place in self._places.get(words[0], ())
        )

    def is_inferable(self, words: Sequence[str], first: int, last: int) -> bool:
        """Whether the span [first, last) can be inferred from the rest of the text.

        True if one of its words occurs elsewhere in the same form, or if all of its content words occur
        elsewhere in the same or another form.
        """
        if self.language == "zh":
            known = self._known_content(words, self._elsewhere(first, last))
            return bool(known) and all(known)
        if any(
            _outside(self._places.get(word, ()), first, last)
            for word in words
            if len(word) > 1 and word not in self._stop
        ):
            return True
        known = [self._has_akin(word, first, last) for word in words if self._is_content(word)]
        return bool(known) and all(known)

    def _known_content(self, words: Sequence[str], others: Sequence[str]) -> list[bool]:
        """Returns, for each content word of a Chinese span, whether the words in `others` give it away."""
        pairs = zip(words, _occur_paired(words, others), strict=True)
        return [known for word, known in pairs if self._is_content(word)]

    def _is_content(self, word: str) -> bool:
        """Whether a word is a content word: it has more than three letters and is no stop word.

        In Spanish and French, figures are content words too. In Chinese, every character is a content
        word except stop characters and `_COUNTERS`.
        """
        if self.language == "zh":
            return word not in self._stop and word not in _COUNTERS
        # Figures are content words although they are short: "siglo XX" does not give "siglo XIX" away.
        if self.language in ("es", "fr") and (word.isdigit() or _ROMAN.fullmatch(word)):
            return True
        return len(word) > 3 and word not in self._stop

    def _elsewhere(self, first: int, last: int) -> list[str]:
        """Returns the words of the text with an empty word in place of the span [first, last)."""
        return [*self.words[:first], "", *self.words[last:]]

    def _has_akin(self, word: str, first: int, last: int) -> bool:
        """Whether this word or another form of it (see `words.akin`) occurs outside [first, last)."""
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
    """Whether any of the word indices in `places` is outside the range [first, last)."""
    return any(not first <= place < last for place in places)


def _occur_paired(words: Sequence[str], others: Sequence[str]) -> list[bool]:
    """Returns, for each word of a Chinese span, whether `others` contain it and one of its neighbours.

    A word is one Chinese character, a figure or a Latin word. A figure or Latin word of several characters
    needs no neighbour.
    """
    # Two characters in a row are roughly a word; a single character may be part of any word.
    pairs, single = set(itertools.pairwise(others)), set(others)
    known = [len(word) > 1 and word in single for word in words]
    for place, pair in enumerate(itertools.pairwise(words)):
        if pair in pairs:
            known[place] = known[place + 1] = True
    return known
