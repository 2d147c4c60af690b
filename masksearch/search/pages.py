"""A page in parts: which words of a text are shown when it is opened, and opened again."""

from __future__ import annotations

import re

from masksearch.corpus.sentences import UNSPACED
from masksearch.search.neutralise import neutralise

# What `corpus.cut` counts as a word: in scripts without spaces each character.
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def part_of(text: str, part: int, words: int) -> tuple[str, int]:
    """The `part`-th (from 1) stretch of `words` words of a text, made harmless, and how many such parts there are; "" for a part there is not."""
    text = neutralise(text)
    first, last = (part - 1) * words + 1, part * words
    start = end = count = 0
    for count, word in enumerate(WORD.finditer(text), 1):
        if count == first:
            start = word.start()
        if first <= count <= last:
            end = word.end()
    # A second time: a bracket that was followed by a figure may be the last of a part.
    return neutralise(text[start:end]), -(-count // words)
