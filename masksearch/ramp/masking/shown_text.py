"""An index of the words of a task's text, which decides whether the rest of the text gives a span away.

The text is split into words once for all its spans. A span is given as its words and their range
[first, last) in the text. "Elsewhere" means in the text outside this range.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from masksearch.ramp.masking.acronyms import acronym_letters, acronyms_in, initials_of, spells_out
from masksearch.ramp.masking.numerals import Number, number_words, numbers_in, same
from masksearch.ramp.masking.peoples import peoples
from masksearch.text.words import STEM, akin, base_title, demonyms, located_words, loose_words, stop_words

# Chinese characters for year, month and day. They follow any figure, so they give no figure away.
_COUNTERS = frozenset("年月日")
_ROMAN = re.compile("[ivx]{2,}e?|[ivx]e")
LEAST_LEFT = 3
"""Fewest words of a sentence that are not masked: "[mask]." asks nothing."""
_BREAK = re.compile(r"[.!?;…]['\"”’»)\]]*\s|[。！？；]|[.!?]$")
_VARIANTS = [
    ("ae", "a"), ("oe", "o"), ("ue", "u"), ("ph", "f"), ("sch", "sh"), ("ts", "c"), ("y", "i"), ("w", "v"),
    ("k", "c"),
]  # fmt: skip
_DOUBLED = re.compile(r"(.)\1")
_LETTERS = re.compile(r"[^\W\d_]+")


class ShownText:
    """The shown text of a task and its title, in loose words (see `text.words.loose_words`)."""

    def __init__(self, text: str, title: str, language: str = "") -> None:
        self.text, self.title, self.language = text, title, language
        self._title = loose_words(title, language)
        self._titled, self._name = frozenset(self._title), frozenset(loose_words(base_title(title), language))
        self.words, self._starts, self._ends = located_words(text, language)
        self._stop = stop_words(language)
        self._demonyms = demonyms(language)
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self.words):
            self._places[word].append(place)

    @cached_property
    def _stems(self) -> Mapping[str, list[int]]:
        """First letters of a word -> indices of the words that start with them."""
        stems: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self.words):
            if len(word) >= STEM:
                stems[word[:STEM]].append(place)
        return stems

    @cached_property
    def _countries(self) -> list[int]:
        """Indices of the words that have a demonym."""
        named = self._demonyms.keys() & self._places.keys()
        return [place for word in named for place in self._places[word]]

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

    def asks_something(self, first: int, last: int) -> bool:
        """Whether the sentence of the span [first, last) has at least `LEAST_LEFT` other words."""
        if last >= len(self.words) and first < 1:
            return False
        need = 2 * LEAST_LEFT if self.language == "zh" else LEAST_LEFT
        found = 0
        place = first
        while place > 0 and found < need and not self._is_broken(place - 1):
            place -= 1
            found += 1
        place = last
        while place < len(self.words) and found < need and not self._is_broken(place - 1):
            place += 1
            found += 1
        return found >= need

    def _is_broken(self, place: int) -> bool:
        """Whether a sentence ends between the word at `place` and the next."""
        gap = self.text[self._ends[place] : self._starts[place + 1]]
        return gap != " " and bool(_BREAK.search(gap))

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
        if (
            self.language != "zh"
            and self._groups_of_title
            and self._shares_people(words, self._groups_of_title)
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

    def has_other_form(self, start: int, end: int) -> bool:
        """Whether the span text[start:end] occurs elsewhere, or in the title, in another form.

        Other forms are an acronym or its long form, the same number in other dress, and a people or language
        of a country.
        """
        if self.language == "zh":
            return False
        first, last = self.within(start, end)
        words = self.words[first:last]
        return (
            self._has_same_number(start, end, words)
            or self._has_acronym(start, end, words)
            or self._has_people(words, first, last)
        )

    @cached_property
    def _numbers(self) -> list[Number]:
        """The numbers of the text and the title; those of the title have negative offsets."""
        size = len(self.title) + 1
        titled = (
            Number(number.start - size, number.end - size, number.value, number.kind, number.short)
            for number in numbers_in(self.title, self.language, self._title)
        )
        return [*numbers_in(self.text, self.language, self.words), *titled]

    def _has_same_number(self, start: int, end: int, words: Sequence[str]) -> bool:
        """Whether a number of the span occurs elsewhere in other dress."""
        digits = any(char.isdigit() for char in self.text[start:end])
        if not digits and number_words(self.language).isdisjoint(words):
            return False
        inside = [number for number in self._numbers if start < number.end and number.start < end]
        return bool(inside) and any(
            same(number, other)
            for other in self._numbers
            if other.end <= start or other.start >= end
            for number in inside
        )

    @cached_property
    def _acronyms(self) -> list[tuple[int, int, str]]:
        """The acronyms of the text and the title; those of the title have offsets of -1."""
        return [*acronyms_in(self.text), *((-1, -1, letters) for *_, letters in acronyms_in(self.title))]

    def _has_acronym(self, start: int, end: int, words: Sequence[str]) -> bool:
        """Whether the acronym or the long form of the span is in the text or the title."""
        piece = self.text[start:end]
        if letters := acronym_letters(piece):
            pieces = (self.text[:start], self.text[end:], self.title)
            return any(spells_out(_LETTERS.findall(one), letters) for one in pieces)
        if sum(not word[0].isdigit() for word in words) < 2 or not self._acronyms:
            return False
        elsewhere = {letters for low, high, letters in self._acronyms if high <= start or low >= end}
        return not elsewhere.isdisjoint(initials_of(_LETTERS.findall(piece)))

    @cached_property
    def _written(self) -> list[str]:
        """The words of the text with their capitals."""
        return [self.text[start:end] for start, end in zip(self._starts, self._ends, strict=True)]

    @cached_property
    def _mentions(self) -> list[tuple[int, int, frozenset[int]]]:
        """The countries and peoples in the text, as (first word, last word, groups)."""
        return peoples(self.language).mentions(self.words, self._written)

    @cached_property
    def _groups_of_title(self) -> frozenset[int]:
        """The groups of the countries and peoples in the title."""
        if peoples(self.language).starts.keys().isdisjoint(self._title):
            return frozenset()
        written = [word.upper() if word.upper() in self.title else word for word in self._title]
        found = peoples(self.language).mentions(self._title, written)
        return frozenset().union(*(groups for *_, groups in found))

    @cached_property
    def _spellings(self) -> Counter[str]:
        """How often each spelling occurs among the long words of the text and the title."""
        return Counter(spelling(word) for word in (*self.words, *self._title) if len(word) > STEM)

    def _spelled_within(self, word: str, first: int, last: int) -> int:
        """How many of the words [first, last) have the spelling of this word."""
        mine = spelling(word)
        return sum(spelling(other) == mine for other in self.words[first:last] if len(other) > STEM)

    def _has_people(self, words: Sequence[str], first: int, last: int) -> bool:
        """Whether the country, people or language of the span [first, last) is elsewhere in the text."""
        if peoples(self.language).starts.keys().isdisjoint(words):
            return False
        elsewhere = [groups for low, high, groups in self._mentions if high <= first or low >= last]
        return bool(elsewhere) and self._shares_people(words, frozenset().union(*elsewhere))

    def _shares_people(self, words: Sequence[str], groups: frozenset[int]) -> bool:
        """Whether the words are a name of one of these groups, apart from stop words."""
        known = peoples(self.language)
        if known.starts.keys().isdisjoint(words):
            return False
        found = known.mentions(words, [word.upper() for word in words])
        covered = sum(high - low for low, high, mine in found if mine & groups)
        return 0 < covered >= sum(word not in self._stop for word in words)

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
        if len(word) > STEM and self._spellings[spelling(word)] > self._spelled_within(word, first, last):
            return True
        people = self._demonyms.get(word)
        if people and any(other.startswith(people) for other in self._elsewhere(first, last)):
            return True
        return any(
            word.startswith(self._demonyms[self.words[place]])
            for place in self._countries
            if not first <= place < last
        )


def spelling(word: str) -> str:
    """Returns a word in a rough spelling that its variants share: "muenchen" and "munchen"."""
    for variant, plain in _VARIANTS:
        word = word.replace(variant, plain)
    return _DOUBLED.sub(r"\1", word)


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
