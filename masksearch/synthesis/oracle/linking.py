"""Links a passage to a task by words that both share, and quotes the link together with the span.

The span is the answer of a mask or of a question in the passage. The link shows a model why the passage is
about the task. In this quote of result 2, the title is the link, and 310 is the answer of mask 1:

    1 in [2]: Iris (plant) ... genus of [310] accepted species

The link is the first of these that exists:
  - the passage's title, if the task names it;
  - a name of two or more words that occurs near the span and in the task;
  - two single items that occur near the span and in the task. An item is a name of one word, a number, or a
    word next to the mask.
Links use only text that the model sees: the task's text with its masks, and the results after they were cut
and neutralised. A word of the answer is never part of a link.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from masksearch.synthesis.oracle.wording import neighbours, phrases
from masksearch.text.names import Name, name_words, names
from masksearch.text.words import BEFORE, STEM, base_title, folded, located_words, stop_words
from masksearch.types import MASK

NEAR = 10
"""Number of words on each side of a mask or a span that count as near. In a Chinese text, twice as many
characters count."""
FAR = 20
"""Maximum number of words between a span and a name that is its link."""
TITLE_SHOWN = 8
"""Maximum number of words of a title in a quote."""
MERGED = 2
"""Longest gap between two pieces of a quote, in words, that is quoted too instead of left out."""
RUN_ZH = 4
"""Shortest run of shared Chinese characters that is a link by itself."""


@dataclass(frozen=True)
class Shown:
    """A search result as the model sees it."""

    number: int
    """Number of the result in its search, from 1; quotes show this number."""
    passage_id: str
    doc_id: str
    title: str
    """The passage's own title."""
    text: str
    """The text as the model sees it: cut and neutralised."""
    heading: str = ""
    """The title as the model sees it: cut and neutralised."""

    @cached_property
    def words(self) -> tuple[list[str], list[int], list[int]]:
        """The loose words of the text, their start offsets and their end offsets (see `located_words`)."""
        return located_words(self.text, "")


@dataclass(frozen=True)
class Asked:
    """The task's side of a link: the visible text and the entities that a passage may share."""

    text: str
    """All text that a passage may share: the task's visible text, and the entities whose search helped."""
    near: frozenset[str]
    """Stems of the content words near the mask; for a question, of the whole question."""
    language: str = ""
    entities: tuple[str, ...] = ()
    """Entities that were searched for. They match a title in any word order ("John, King of England")."""

    def names_it(self, name: str) -> bool:
        """Whether `text` holds a name. Case matters only for a name of a single word."""
        plain, text = (name, self.text) if len(name.split()) == 1 else (folded(name), folded(self.text))
        if self.language == "zh":
            return plain in text
        return bool(plain) and bool(re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", text))


@dataclass(frozen=True)
class Link:
    """A link between a passage and a task: the passage's title, or pieces of its text."""

    titled: bool
    """Whether the link is the passage's title."""
    pieces: tuple[tuple[int, int], ...] = ()
    """Places of the link's name or single items in the text, as character offsets [start, end)."""

    @property
    def is_named(self) -> bool:
        """Whether the link is a title or a name of two or more words, instead of two single items."""
        return self.titled or len(self.pieces) == 1


def stems(text: str, language: str = "") -> frozenset[str]:
    """Returns the first `STEM` letters of each content word of a text.

    For a Chinese text: the pairs of neighbouring characters.
    """
    words = located_words(text.replace(MASK, " . "), language)[0]
    ignored = stop_words(language)
    if language == "zh":
        return frozenset(
            first + second
            for first, second in itertools.pairwise(words)
            if not {first, second} & ignored and first + second in text
        )
    return frozenset(word[:STEM] for word in words if len(word) > 1 and word not in ignored)


def near_mask(text: str, index: int, language: str = "") -> frozenset[str]:
    """Returns the stems of the content words near mask number `index` (from 0) of a text."""
    pieces = text.split(MASK)
    before, after = MASK.join(pieces[: index + 1]), MASK.join(pieces[index + 1 :])
    if language == "zh":
        return stems(before[-2 * NEAR :], "zh") | stems(after[: 2 * NEAR], "zh")
    return stems(" ".join(before.split()[-NEAR:]), language) | stems(" ".join(after.split()[:NEAR]), language)


def near_span(text: str, span: tuple[int, int], language: str = "", reach: int = NEAR) -> frozenset[str]:
    """Returns the stems of the content words around a span of a text, without the words of the span."""
    before, after = text[: span[0]], text[span[1] :]
    if language == "zh":
        return stems(before[-2 * reach :], "zh") | stems(after[: 2 * reach], "zh")
    before_stems = stems(" ".join(before.split()[-reach:]), language)
    return before_stems | stems(" ".join(after.split()[:reach]), language)


# -- finding ----------------------------------------------------------------------------------------


def find_link(
    asked: Asked, shown: Shown, span: tuple[int, int] | None, anywhere: bool = False
) -> Link | None:
    """Returns the link between a passage and the task that is near a span of the passage, or None.

    Without a span, or with `anywhere`, the whole text counts as near. Words of the span are never part of
    a link.
    """
    answer = name_words(shown.text[slice(*span)]) if span else frozenset[str]()
    if title_links(asked, shown) and not name_words(base_title(shown.heading)) <= answer:
        return Link(titled=True)
    if asked.language == "zh":
        return _link_zh(asked, shown.text, span or (0, 0))
    span = None if anywhere else span
    shared = [name for name in _shared_names(asked, shown, span) if not name.words <= answer]
    long_name = next((name for name in shared if name.is_long), None)
    if long_name:
        return Link(titled=False, pieces=((long_name.start, long_name.end),))
    single = list(_single_items(asked, shown, span, shared, answer))
    return Link(titled=False, pieces=tuple(single[:2])) if len(single) > 1 else None


def title_links(asked: Asked, shown: Shown) -> bool:
    """Whether the task names a passage's title, or the title is an entity that was searched for.

    A title of one word counts only if it looks like a name.
    """
    base = base_title(shown.heading)
    words = name_words(base)
    if any(words == name_words(entity) for entity in asked.entities):
        return True
    # The part before a comma is enough: "Weymouth" names the title "Weymouth, Massachusetts".
    return any(
        _looks_like_a_name(title, asked.language) and asked.names_it(title)
        for title in dict.fromkeys([base, base.split(", ")[0]])
    )


def _looks_like_a_name(title: str, language: str) -> bool:
    if language == "zh":
        return len(title) > 1
    return len(name_words(title)) > 1 or (len(title) > 3 and (title[0].isupper() or title[0].isdigit()))


def _apart(text: str, span: tuple[int, int] | None, other: tuple[int, int]) -> int:
    """Returns the number of words between two places of a text: -1 if they overlap; 0 if `span` is None."""
    if span is None:
        return 0
    if other[0] < span[1] and span[0] < other[1]:
        return -1
    return len(text[min(span[1], other[1]) : max(span[0], other[0])].split())


def _shared_names(asked: Asked, shown: Shown, span: tuple[int, int] | None) -> list[Name]:
    """Returns the names at most `FAR` words from a span that occur in the task too, nearest first."""
    places = [
        (_apart(shown.text, span, (name.start, name.end)), name) for name in names(shown.text, asked.language)
    ]
    near = [(apart, name) for apart, name in places if 0 <= apart <= FAR and asked.names_it(name.text)]
    return [name for _, name in sorted(near, key=lambda pair: pair[0])]


def _single_items(
    asked: Asked, shown: Shown, span: tuple[int, int] | None, shared: list[Name], answer: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Yields the places of single items near a span that occur in the task too, nearest first.

    Items are the `shared` names, numbers of two or more digits, and words near the mask. Each item is
    yielded once.
    """
    answer_stems = {word[:STEM] for word in answer}
    places = {(name.start, name.end): name.text for name in shared}
    for match in re.finditer(rf"{BEFORE}\d[\d.,]*\d\d(?!\d)", shown.text):
        if asked.names_it(match[0]):
            places[match.span()] = match[0]
    for word, start, end in zip(*shown.words, strict=True):
        in_another_item = any(low <= start < high for low, high in places)
        if word[:STEM] in asked.near and len(word) > 2 and not in_another_item:
            places[start, end] = word
    yielded: set[str] = set()
    for place in sorted(places, key=lambda place: (_apart(shown.text, span, place), place)):
        stem = folded(places[place])[:STEM]
        if 0 <= _apart(shown.text, span, place) <= NEAR and stem not in yielded | answer_stems:
            yielded.add(stem)
            yield place


def _link_zh(asked: Asked, text: str, span: tuple[int, int]) -> Link | None:
    """Returns the link of a Chinese passage: the longest shared run of characters near the span.

    Without a run of `RUN_ZH` characters, two shorter runs make a link.
    """
    low, high = max(0, span[0] - 4 * NEAR), min(len(text), span[1] + 4 * NEAR)
    runs: list[tuple[int, int]] = []
    for first, last in ((low, span[0]), (span[1], high)):
        start = first
        while start < last:
            end = start
            while end < last and text[end].isalnum() and text[start : end + 1] in asked.text:
                end += 1
            content = "".join(char for char in text[start:end] if char not in stop_words("zh"))
            if len(content) >= 2 and content not in text[slice(*span)]:
                runs.append((start, end))
            start = max(end, start + 1)
    runs.sort(key=lambda run: (run[0] - run[1], _apart_zh(span, run)))
    if runs and runs[0][1] - runs[0][0] >= RUN_ZH:
        # Of a long run, only the end nearest to the span is kept.
        start, end = runs[0]
        if end <= span[0]:
            start = max(start, end - 2 * RUN_ZH)
        else:
            end = min(end, start + 2 * RUN_ZH)
        return Link(titled=False, pieces=((start, end),))
    return Link(titled=False, pieces=tuple(runs[:2])) if len(runs) > 1 else None


def _apart_zh(span: tuple[int, int], other: tuple[int, int]) -> int:
    """Returns the number of characters between two places, given as offsets [start, end), of a text."""
    return max(other[0] - span[1], span[0] - other[1])


# -- quoting ----------------------------------------------------------------------------------------


def quote(shown: Shown, span: tuple[int, int], link: Link, language: str = "", titled: bool = False) -> str:
    """Returns a quote of a passage: its number, its link, and the span in brackets with the words around it.

    Pieces are in text order. The title comes first if it is the link, or if `titled` is true.
    """
    parts = _merged(shown.text, [window(shown.text, span, language), *link.pieces], language)
    quoted = [_marked(shown.text, part, span) for part in parts]
    if link.titled or titled:
        quoted.insert(0, heading(shown))
    return f"[{shown.number}]: {phrases(language).gap.join(quoted)}"


def heading(shown: Shown) -> str:
    """Returns the first `TITLE_SHOWN` words of a passage's title."""
    return " ".join(shown.heading.split()[:TITLE_SHOWN])


def quote_pieces(shown: Shown, pieces: Sequence[tuple[int, int]], language: str = "") -> str:
    """Returns pieces of a passage, each with the words next to it; pieces that overlap become one."""
    parts = _merged(shown.text, [window(shown.text, piece, language) for piece in pieces], language)
    return phrases(language).gap.join(shown.text[slice(*part)].strip() for part in parts)


def window(text: str, span: tuple[int, int], language: str = "") -> tuple[int, int]:
    """Returns the place of a span extended by the words next to it (see `wording.around`)."""
    head, tail = neighbours(text, *span, language=language)
    return span[0] - len(head), span[1] + len(tail)


def _marked(text: str, part: tuple[int, int], span: tuple[int, int]) -> str:
    """Returns a part of a text; puts the span in brackets if it is inside the part."""
    start, end = part
    if not (start <= span[0] and span[1] <= end):
        return text[start:end].strip()
    return " ".join(f"{text[start : span[0]]}[{text[slice(*span)]}]{text[span[1] : end]}".split())


def _merged(text: str, parts: list[tuple[int, int]], language: str) -> list[tuple[int, int]]:
    """Returns pieces of a text in order; merges pieces that overlap or have a gap of at most `MERGED` words.

    In a Chinese text the gap may have twice as many characters.
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if not merged:
            merged.append((start, end))
            continue
        last_start, last_end = merged[-1]
        between = text[last_end:start]
        gap_is_short = len(between) <= 2 * MERGED if language == "zh" else len(between.split()) <= MERGED
        if start <= last_end or gap_is_short:
            merged[-1] = (last_start, max(end, last_end))
        else:
            merged.append((start, end))
    return merged
