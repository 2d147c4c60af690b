"""A text's own links as spans: marked by people, in every language, and free.

A dump's reader keeps the anchors of internal links with their offsets; a corpus without links yields nothing. Anchors that name
nothing of their own are left out: numbers of footnotes, single letters, figures that say too little to be searched for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Extractor
from masksearch.types import Passage, Span

_SAYS_SOMETHING = re.compile(r"[^\W\d_]{2}|[\u3400-\u9fff]|\d{3}")


def make(settings: MaskSettings) -> Extractor:
    """The extractor; it has no settings."""
    return extract


def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
    """The anchors of each passage's links. Offsets that do not lie in the text are left out."""
    for passage in passages:
        text = passage.text
        yield [
            Span(start=start, end=end, category="LINK")
            for start, end, _ in passage.links
            if 0 <= start < end <= len(text) and _SAYS_SOMETHING.search(text, start, end)
        ]
