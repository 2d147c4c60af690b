"""How much of a text is shown: of a search result its beginning, of a page one part after the other."""

from __future__ import annotations

import itertools
import re

from masksearch.text.neutralise import neutralise
from masksearch.text.sentences import UNSPACED

# What `corpus.cut` counts as a word: in scripts without spaces each character.
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
PER_WORD = 40
"""Characters that words may have on average: else one endless word would fill a whole session."""
LONGEST = 1_000_000
"""Characters of a page that can be read."""


def part_of(text: str, part: int, words: int) -> tuple[str, int]:
    """The `part`-th (from 1) stretch of `words` words of a text, made harmless, and how many such parts there are; "" for a part there is not.

    What stands behind the first LONGEST characters is not shown, nor what of a part is longer than PER_WORD characters a word.
    """
    text = neutralise(text[:LONGEST])
    first, last = (part - 1) * words + 1, part * words
    start = end = count = 0
    for count, word in enumerate(WORD.finditer(text), 1):
        if count == first:
            start = word.start()
        if first <= count <= last:
            end = word.end()
    # A second time: a bracket that was followed by a figure may be the last of a part.
    return neutralise(text[start : min(end, start + words * PER_WORD)]), -(-count // words)


def beginning(text: str, words: int) -> str:
    """The first `words` words of a text, made harmless; not more than PER_WORD characters a word."""
    text = neutralise(text[: words * PER_WORD])
    last = next(itertools.islice(WORD.finditer(text), words - 1, None), None)
    return neutralise(text[: last.end()]) if last else text
