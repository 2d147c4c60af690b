"""Excerpts that the model sees: the beginning of a search result, or one part of an opened page."""

from __future__ import annotations

import itertools
import re

from masksearch.text.neutralise import neutralise
from masksearch.text.sentences import UNSPACED

# Matches a word as `corpus.cut` counts words: in scripts without spaces, each character is a word.
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
PER_WORD = 40
"""Maximum number of characters per word of an excerpt, on average.

Without this limit, one endless word could fill a session.
"""
LONGEST = 1_000_000
"""Characters of a page that the model can read; the rest is cut off."""


def text_part(text: str, part: int, words: int) -> tuple[str, int]:
    """Returns the `part`-th (from 1) stretch of `words` words, neutralised, and the number of parts.

    The stretch is empty if the text has no part with this number. Text after the first LONGEST characters
    is not shown. A part is cut at PER_WORD characters times `words`.
    """
    text = neutralise(text[:LONGEST])
    first, last = (part - 1) * words + 1, part * words
    start = end = count = 0
    for count, word in enumerate(WORD.finditer(text), 1):
        if count == first:
            start = word.start()
        if first <= count <= last:
            end = word.end()
    # The excerpt is neutralised again, because after the cut a bracket that preceded a digit may be the
    # last character.
    return neutralise(text[start : min(end, start + words * PER_WORD)]), -(-count // words)


def beginning(text: str, words: int) -> str:
    """Returns the first `words` words, neutralised and cut at PER_WORD characters times `words`."""
    text = neutralise(text[: words * PER_WORD])
    last = next(itertools.islice(WORD.finditer(text), words - 1, None), None)
    return neutralise(text[: last.end()]) if last else text
