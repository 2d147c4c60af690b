"""Documents into passages: whole sentences, packed evenly up to a number of words.

A document that needs three passages gets three of about the same length, rather than two full ones and a stub; where a paragraph ends
near a cut (an empty line in the text), the cut is made there. A passage is an exact slice of the document's text with white space made
single, so that offsets and quotes stay true; the document's links come along with offsets in the passage.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator

from masksearch.text.sentences import sentence_spans
from masksearch.types import Document, Link, Passage

STUB = 12
"""A passage of fewer words is joined to a neighbour, where the two do not exceed `max_words` by more than a sixth."""

# Scripts without spaces: each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")

# White space that takes more room in a text than where it is made single: all but one character between words.
_WIDE = re.compile(r"\s{2,}|\A\s")
_CLOSED = re.compile(r"[.!?…:;。！？：；][\"'”’»)\]』」]*\s*\Z")
_EDGES = re.compile(r"\S(?:.*\S)?", re.DOTALL)

Slice = tuple[int, int, int]
"""start, end, words"""


def cut(document: Document, max_words: int) -> list[Passage]:
    """The passages of a document, in order; 0 words: the whole document as one.

    A sentence longer than `max_words` stays whole, unless it is more than twice as long: then it is cut between words.
    The id is the document's where there is one passage, else `ID#1`, `ID#2`, ...
    """
    text = " ".join(document.text.split())
    if not text:
        return []
    single = _Single(document.text)
    bounds = [(0, len(text))]
    if max_words:
        starts = single.paragraphs(len(text))
        groups = _pack(list(_pieces(text, max_words, document.language, starts)), max_words)
        bounds = [
            (group[0][0], group[-1][1])
            for group in _to_paragraphs(groups, _good_starts(text, starts), max_words)
        ]
    ids = (
        [document.id]
        if len(bounds) == 1
        else [f"{document.id}#{number}" for number in range(1, len(bounds) + 1)]
    )
    title = " ".join(document.title.split())
    links = sorted(single.links(document.links))
    places = [link[0] for link in links]
    return [
        Passage(
            id=name,
            doc_id=document.id,
            title=title,
            text=text[start:end],
            language=document.language,
            links=tuple(
                (low - start, high - start, to)
                for low, high, to in links[bisect_left(places, start) : bisect_left(places, end)]
                if high <= end
            ),
        )
        for name, (start, end) in zip(ids, bounds, strict=True)
    ]


class _Single:
    """Places of a text in the same text with white space made single."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: list[int] = []
        """Where each wide run of white space ends."""
        self._shifts = [0]
        """How far what follows each of them moves to the left, after 0 for what stands before the first."""
        self._empty_lines: list[int] = []
        for run in _WIDE.finditer(text):
            start, end = run.span()
            self._ends.append(end)
            self._shifts.append(self._shifts[-1] + end - start - (start > 0))
            if text.count("\n", start, end) > 1:
                self._empty_lines.append(end)

    def place(self, place: int) -> int:
        """Of a character that is no white space, or the end of such a one."""
        return place - self._shifts[bisect_right(self._ends, place)]

    def paragraphs(self, length: int) -> list[int]:
        """Where paragraphs begin, other than the first, in a text that is `length` characters long when made single."""
        return [start for start in map(self.place, self._empty_lines) if 0 < start < length]

    def links(self, links: Iterable[Link]) -> Iterator[Link]:
        """Links without white space at their ends."""
        for start, end, target in links:
            if edges := _EDGES.search(self._text, start, end):
                yield self.place(edges.start()), self.place(edges.end() - 1) + 1, target


def cut_all(documents: Iterable[Document], max_words: int) -> Iterator[Passage]:
    """The passages of all documents."""
    for document in documents:
        yield from cut(document, max_words)


def corpus_hash(passages: Iterable[Passage]) -> str:
    """SHA-256 over id, title and text of every passage, in order, as hex."""
    digest = hashlib.sha256()
    for passage in passages:
        for field in (passage.id, passage.title, passage.text):
            data = field.encode()
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
    return digest.hexdigest()


def _pieces(text: str, max_words: int, language: str, paragraphs: list[int]) -> Iterator[Slice]:
    """Sentences, which end where a paragraph does; the overlong ones cut into about equal parts between words."""
    for start, end in _sentences(text, language, paragraphs):
        words = [match.span() for match in _WORD.finditer(text, start, end)]
        parts = -(-len(words) // max_words) if len(words) > 2 * max_words else 1
        edges = [round(part * len(words) / parts) for part in range(parts + 1)]
        for low, high in itertools.pairwise(edges):
            yield words[low][0], words[high - 1][1], high - low


def _sentences(text: str, language: str, paragraphs: list[int]) -> Iterator[tuple[int, int]]:
    for low, high in itertools.pairwise([0, *paragraphs, len(text)]):
        for start, end in sentence_spans(text[low:high], language):
            yield low + start, low + end


def _pack(pieces: list[Slice], max_words: int) -> list[list[Slice]]:
    """The pieces in as few groups as greedy packing needs, as even as those groups can be."""
    groups = _greedy(pieces, max_words)
    low, high = 1, max_words
    while low < high:
        middle = (low + high) // 2
        if len(_greedy(pieces, middle)) <= len(groups):
            high = middle
        else:
            low = middle + 1
    return _join_stubs(_greedy(pieces, low), max_words + max_words // 6)


def _greedy(pieces: list[Slice], max_words: int) -> list[list[Slice]]:
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
    """Paragraphs that a passage may well begin with: all but those below a heading (a line of a few words without a full stop)."""
    edges = itertools.pairwise([0, *paragraphs])
    return frozenset(
        high
        for low, high in edges
        if _CLOSED.search(text, low, high) or len(_WORD.findall(text, low, high)) >= STUB
    )


def _to_paragraphs(groups: list[list[Slice]], starts: Container[int], max_words: int) -> list[list[Slice]]:
    """Moves each cut to the nearest paragraph break between the passages beside it that leaves both at least a third of `max_words` and no more
    than all of it. The number of passages stays."""
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
    """Joins each stub to its shorter neighbour, where the two together have at most `most` words."""
    index = 0
    while index < len(groups):
        near = [other for other in (index - 1, index + 1) if 0 <= other < len(groups)]
        other = min(near, key=lambda n: _words(groups[n]), default=index)
        if (
            _words(groups[index]) < STUB
            and other != index
            and _words(groups[index]) + _words(groups[other]) <= most
        ):
            first = min(index, other)
            groups[first : first + 2] = [groups[first] + groups[first + 1]]
            index = first
        else:
            index += 1
    return groups
