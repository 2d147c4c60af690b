"""Uses the anchor texts of links as spans: people have marked them, in every language; no model is needed.

The reader of a Wikipedia dump keeps the anchors of internal links with their offsets. A corpus without links
yields no spans. Anchors that are too unspecific to search for are left out: footnote numbers, single letters
and short figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Extractor
from masksearch.types import Passage, Span

_SPECIFIC = re.compile(r"[^\W\d_]{2}|[\u3400-\u9fff]|\d{3}")


def make(settings: MaskSettings) -> Extractor:
    """Returns the extractor; it has no settings."""
    return extract


def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
    """Yields the anchors of each passage's links; skips links whose offsets are outside the text."""
    for passage in passages:
        text = passage.text
        yield [
            Span(start=start, end=end, category="LINK")
            for start, end, _ in passage.links
            if 0 <= start < end <= len(text) and _SPECIFIC.search(text, start, end)
        ]
