"""Documents into passages: whole sentences, packed evenly up to a number of words.

A document that needs three passages gets three of about the same length, rather than two full ones and a stub. A passage is an
exact slice of the document's text with white space made single, so that offsets and quotes stay true.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator

from masksearch.corpus.sentences import sentence_spans
from masksearch.types import Document, Passage

STUB = 12
"""A passage of fewer words is joined to a neighbour, where the two do not exceed `max_words` by more than a sixth."""

# Scripts without spaces: each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")

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
    bounds = [(0, len(text))]
    if max_words:
        bounds = [(group[0][0], group[-1][1]) for group in _pack(list(_pieces(text, max_words)), max_words)]
    ids = [document.id] if len(bounds) == 1 else [f"{document.id}#{number}" for number in range(1, len(bounds) + 1)]
    title = " ".join(document.title.split())
    return [Passage(id=name, doc_id=document.id, title=title, text=text[start:end]) for name, (start, end) in zip(ids, bounds, strict=True)]


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


def _pieces(text: str, max_words: int) -> Iterator[Slice]:
    """Sentences, the overlong ones cut into about equal parts between words."""
    for start, end in sentence_spans(text):
        words = [match.span() for match in _WORD.finditer(text, start, end)]
        parts = -(-len(words) // max_words) if len(words) > 2 * max_words else 1
        edges = [round(part * len(words) / parts) for part in range(parts + 1)]
        for low, high in itertools.pairwise(edges):
            yield words[low][0], words[high - 1][1], high - low


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


def _words(group: list[Slice]) -> int:
    return sum(piece[2] for piece in group)


def _join_stubs(groups: list[list[Slice]], most: int) -> list[list[Slice]]:
    """Joins each stub to its shorter neighbour, where the two together have at most `most` words."""
    index = 0
    while index < len(groups):
        near = [other for other in (index - 1, index + 1) if 0 <= other < len(groups)]
        other = min(near, key=lambda n: _words(groups[n]), default=index)
        if _words(groups[index]) < STUB and other != index and _words(groups[index]) + _words(groups[other]) <= most:
            first = min(index, other)
            groups[first : first + 2] = [groups[first] + groups[first + 1]]
            index = first
        else:
            index += 1
    return groups
