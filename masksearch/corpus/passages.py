"""Cuts documents into passages: whole sentences, packed evenly up to a number of words.

A document that needs three passages gets three of about the same length, rather than two full passages and
a very short one. A cut moves to a paragraph end (an empty line in the text) if one is near. A passage is an
exact slice of the document's text with white space collapsed, so that offsets and quotes stay valid. The
document's links are kept, with offsets in the passage.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator

from masksearch.text.excerpts import WORD
from masksearch.text.sentences import sentence_spans
from masksearch.types import Document, Link, Passage

STUB = 12
"""A passage with fewer words than this is joined to a neighbour, unless the two together exceed `max_words`
by more than a sixth."""

# Matches white space that becomes shorter when collapsed (to one space between words, to none at the
# start).
_WIDE = re.compile(r"\s{2,}|\A\s")
_CLOSED = re.compile(r"[.!?…:;。！？：；][\"'”’»)\]』」]*\s*\Z")
_EDGES = re.compile(r"\S(?:.*\S)?", re.DOTALL)

Slice = tuple[int, int, int]
"""Start, end and number of words of one piece of the text, usually a sentence."""


def cut(document: Document, max_words: int) -> list[Passage]:
    """Returns the passages of a document, in order; `max_words` 0 keeps the whole document as one passage.

    A sentence longer than `max_words` stays whole, unless it has more than twice as many words: then it is
    cut between words. A single passage has the document's id; several passages have the ids `ID#1`, `ID#2`,
    ...
    """
    text = " ".join(document.text.split())
    if not text:
        return []
    collapsed = _Collapsed(document.text)
    bounds = [(0, len(text))]
    if max_words:
        starts = collapsed.paragraphs(len(text))
        groups = _pack(list(_pieces(text, max_words, document.language, starts)), max_words)
        groups = _to_paragraphs(groups, _good_starts(text, starts), max_words)
        bounds = [(group[0][0], group[-1][1]) for group in groups]
    title = " ".join(document.title.split())
    links = sorted(collapsed.links(document.links))
    passages = []
    for number, (start, end) in enumerate(bounds, 1):
        passage = Passage(
            id=document.id if len(bounds) == 1 else f"{document.id}#{number}",
            doc_id=document.id,
            title=title,
            text=text[start:end],
            language=document.language,
            links=_links_within(links, start, end),
        )
        passages.append(passage)
    return passages


def _links_within(links: list[Link], start: int, end: int) -> tuple[Link, ...]:
    """Returns the links of [start, end), with offsets from `start`. `links` must be sorted."""
    low = bisect_left(links, start, key=_link_start)
    high = bisect_left(links, end, key=_link_start)
    return tuple(
        (first - start, last - start, target) for first, last, target in links[low:high] if last <= end
    )


def _link_start(link: Link) -> int:
    return link[0]


class _Collapsed:
    """Maps offsets in a text to offsets in the same text with white space collapsed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: list[int] = []
        """Offset of the end of each run of white space that collapsing shortens (see `_WIDE`)."""
        self._shifts = [0]
        """Total numbers of characters that collapsing removes: first 0, for the text before the first of
        these runs, then the total up to the end of each run."""
        self._empty_lines: list[int] = []
        """Offsets of the ends of those runs that contain an empty line."""
        for run in _WIDE.finditer(text):
            start, end = run.span()
            self._ends.append(end)
            self._shifts.append(self._shifts[-1] + end - start - (start > 0))
            if text.count("\n", start, end) > 1:
                self._empty_lines.append(end)

    def place(self, place: int) -> int:
        """Returns the offset in the collapsed text of the character at `place`, which must not be white
        space."""
        return place - self._shifts[bisect_right(self._ends, place)]

    def paragraphs(self, length: int) -> list[int]:
        """Returns the offsets in the collapsed text at which paragraphs start, except the first paragraph.
        `length` is the length of the collapsed text."""
        return [start for start in map(self.place, self._empty_lines) if 0 < start < length]

    def links(self, links: Iterable[Link]) -> Iterator[Link]:
        """Yields the links with their offsets in the collapsed text, without white space at their ends."""
        for start, end, target in links:
            if edges := _EDGES.search(self._text, start, end):
                yield self.place(edges.start()), self.place(edges.end() - 1) + 1, target


def cut_all(documents: Iterable[Document], max_words: int) -> Iterator[Passage]:
    """Yields the passages of all documents."""
    for document in documents:
        yield from cut(document, max_words)


def corpus_hash(passages: Iterable[Passage]) -> str:
    """Returns the SHA-256 of id, title and text of every passage, in order, as hex."""
    digest = hashlib.sha256()
    for passage in passages:
        for field in (passage.id, passage.title, passage.text):
            data = field.encode()
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
    return digest.hexdigest()


def _pieces(text: str, max_words: int, language: str, paragraphs: list[int]) -> Iterator[Slice]:
    """Yields the sentences of a text. A sentence of more than twice `max_words` words is cut between words
    into parts of about the same length.

    A paragraph end also ends a sentence.
    """
    for start, end in _sentences(text, language, paragraphs):
        words = [match.span() for match in WORD.finditer(text, start, end)]
        parts = -(-len(words) // max_words) if len(words) > 2 * max_words else 1
        edges = [round(part * len(words) / parts) for part in range(parts + 1)]
        for low, high in itertools.pairwise(edges):
            yield words[low][0], words[high - 1][1], high - low


def _sentences(text: str, language: str, paragraphs: list[int]) -> Iterator[tuple[int, int]]:
    for low, high in itertools.pairwise([0, *paragraphs, len(text)]):
        for start, end in sentence_spans(text[low:high], language):
            yield low + start, low + end


def _pack(pieces: list[Slice], max_words: int) -> list[list[Slice]]:
    """Packs the pieces of a text (see `_pieces`) into groups, one group for each passage.

    The number of groups is at most the number that `_greedy` needs, and the groups are as even as possible.
    """
    groups = _greedy(pieces, max_words)
    # Binary search for the smallest limit (words per group) with which `_greedy` needs no more groups.
    low, high = 1, max_words
    while low < high:
        middle = (low + high) // 2
        if len(_greedy(pieces, middle)) <= len(groups):
            high = middle
        else:
            low = middle + 1
    return _join_stubs(_greedy(pieces, low), max_words + max_words // 6)


def _greedy(pieces: list[Slice], max_words: int) -> list[list[Slice]]:
    """Fills one group after another with pieces, up to `max_words` words. A longer piece is a group by
    itself."""
    groups: list[list[Slice]] = []
    room = 0
    for piece in pieces:
        if groups and piece[2] <= room:
            groups[-1].append(piece)
            room -= piece[2]
        else:
            groups.append([piece])
            room = max_words - piece[2]
    return groups


def _good_starts(text: str, paragraphs: list[int]) -> frozenset[int]:
    """Returns the paragraph starts at which a passage may start.

    A passage may start at any paragraph, except directly below a heading (a line of a few words without a
    full stop).
    """
    edges = itertools.pairwise([0, *paragraphs])
    return frozenset(
        high
        for low, high in edges
        if _CLOSED.search(text, low, high) or len(WORD.findall(text, low, high)) >= STUB
    )


def _to_paragraphs(groups: list[list[Slice]], starts: Container[int], max_words: int) -> list[list[Slice]]:
    """Moves each cut between two groups to the nearest paragraph start in these groups that is in `starts`.

    After the move, both groups must have at most `max_words` words, and at least `STUB` words and a third of
    `max_words`. The number of groups does not change.
    """
    least = max(STUB, max_words // 3)
    for index in range(len(groups) - 1):
        both, here = groups[index] + groups[index + 1], len(groups[index])
        if both[here][0] in starts:
            continue
        before = list(itertools.accumulate((piece[2] for piece in both), initial=0))
        fits = [least <= words <= max_words and least <= before[-1] - words <= max_words for words in before]
        breaks = [at for at in range(1, len(both)) if fits[at] and both[at][0] in starts]
        if breaks:
            at = min((abs(place - here), place) for place in breaks)[1]
            groups[index : index + 2] = [both[:at], both[at:]]
    return groups


def _words(group: list[Slice]) -> int:
    return sum(piece[2] for piece in group)


def _join_stubs(groups: list[list[Slice]], most: int) -> list[list[Slice]]:
    """Joins each group of fewer than STUB words to its shorter neighbour if the two together have at most
    `most` words."""
    index = 0
    while index < len(groups):
        near = [other for other in (index - 1, index + 1) if 0 <= other < len(groups)]
        other = min(near, key=lambda n: _words(groups[n]), default=index)
        size = _words(groups[index])
        if size < STUB and other != index and size + _words(groups[other]) <= most:
            first = min(index, other)
            groups[first : first + 2] = [groups[first] + groups[first + 1]]
            index = first
        else:
            index += 1
    return groups
