"""Normalises the characters of documents, so that one word has one spelling.

Invisible characters are removed ("19\\u200b87" is "1987"), letters with their accents are composed (NFC), and
every kind of line end becomes a line feed.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

# Soft hyphens, spaces without width, joiners, marks of writing direction, and marks of byte order.
_INVISIBLE = "\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
# Between Latin letters these two do nothing; in Persian and in scripts of India they shape words.
_JOINERS = re.compile("(?<=[\u0000-\u024f])[\u200c\u200d]+(?=[\u0000-\u024f])")
_REMOVED = re.compile(f"[{_INVISIBLE}]+")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")

Span = tuple[int, int, str]


def plain(text: str) -> str:
    """Returns a text with its characters normalised."""
    if text.isascii() and not _LINE_ENDS.search(text):
        return text
    visible = _REMOVED.sub("", _LINE_ENDS.sub("\n", text))
    # Composed first, because an accent is no Latin letter before it is composed with one.
    return _JOINERS.sub("", unicodedata.normalize("NFC", visible))


def plain_with_spans(text: str, spans: Iterable[Span]) -> tuple[str, tuple[Span, ...]]:
    """Returns a text with its characters normalised, and its spans (start, end, name) with new offsets.

    A span of which nothing is left is left out.
    """
    rows = sorted(spans)
    whole = plain(text)
    if whole == text or not rows:
        return whole, tuple(rows)
    edges = sorted({place for start, end, _ in rows for place in (start, end)} | {0, len(text)})
    pieces = [plain(text[low:high]) for low, high in itertools.pairwise(edges)]
    places, total = {0: 0}, 0
    for edge, piece in zip(edges[1:], pieces, strict=True):
        total += len(piece)
        places[edge] = total
    moved = ((places[start], places[end], name) for start, end, name in rows)
    return "".join(pieces), tuple(span for span in moved if span[0] < span[1])
