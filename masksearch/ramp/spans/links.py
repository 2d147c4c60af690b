"""Uses the anchor texts of links as spans: people have marked them, in every language; no model is needed.

The reader of a Wikipedia dump keeps the anchors of internal links with their offsets. A corpus without links
yields no spans. Anchors that are too unspecific to search for are left out: footnote numbers, single letters,
figures other than years, and common words. An anchor with a capital letter inside a sentence is a name;
another anchor must be as rare as `rarity` asks (see `terms.is_rare`), which needs the package wordfreq;
without it only names are spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.edges import opens_sentence
from masksearch.ramp.spans.extract import Extractor, language_of
from masksearch.ramp.spans.frequencies import has_frequencies
from masksearch.ramp.spans.terms import is_rare
from masksearch.types import Passage, Span

_SPECIFIC = re.compile(r"[^\W\d_]{2}|[\u3400-\u9fff]|(?<!\d)(?:1\d{3}|20\d{2})(?!\d)")
EVERY = 8
"""The `rarity` with which every specific anchor is a span."""


def make(settings: MaskSettings) -> Extractor:
    """Builds the extractor."""
    counts = has_frequencies()

    def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
        for passage in passages:
            language = language_of(passage, settings)
            yield [
                Span(start=start, end=end, category="LINK")
                for start, end in _places(passage)
                if _is_salient(passage.text, start, end, language, settings.rarity, counts)
            ]

    return extract


def _places(passage: Passage) -> Iterator[tuple[int, int]]:
    """Yields the offsets of the anchors; skips anchors that are outside the text or unspecific."""
    text = passage.text
    for start, end, _ in passage.links:
        if 0 <= start < end <= len(text) and _SPECIFIC.search(text, start, end):
            yield start, end


def _is_salient(text: str, start: int, end: int, language: str, rarity: float, counts: bool) -> bool:
    """Whether an anchor is a name, contains a figure, or is rare enough."""
    piece = text[start:end]
    if rarity >= EVERY or any(char.isdigit() for char in piece):
        return True
    rest = piece[1:] if piece[:1].isupper() and opens_sentence(text, start) else piece
    if rest != rest.lower():
        return True
    if language == "zh" or (not piece.isascii() and piece == piece.upper()):
        return not counts or is_rare(piece, language, rarity)  # a script without capital letters
    return counts and is_rare(piece, language, rarity)
