"""Excerpts that the model sees: the beginning of a search result, or one part of an opened page."""

from __future__ import annotations

import itertools
import re

from masksearch.text.neutralise import neutralise
from masksearch.text.sentences import UNSPACED

PER_WORD = 40
"""Maximum number of characters per word of an excerpt, on average.

Without this limit, one endless word (such as a line of encoded data) could fill the model's context.
"""
# Thai, Lao, Burmese and Khmer put no space between words, of about four letters each; a mark of a vowel or
# tone belongs to the letter before it.
_MARKS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
# Matches a word as `corpus.cut` counts words: in Chinese and Japanese each character is a word. An endless
# word, such as a line of encoded data, counts as several.
WORD = re.compile(
    rf"[{UNSPACED}]|(?:[{_LETTERS}][{_MARKS}]*){{1,4}}|[^\s{UNSPACED}{_LETTERS}]{{1,{PER_WORD}}}"
)
LONGEST = 1_000_000
"""Maximum number of characters of a page that the model can read; the rest of the page is cut off."""


def text_part(text: str, part: int, words: int) -> tuple[str, int]:
    """Returns one part of a text, neutralised, and the number of parts of the text.

    Each part has `words` words, and the first part has the number 1. The returned part is empty if the text
    has no part with the number `part`. Text after the first LONGEST characters is not shown. A part is cut
    at PER_WORD characters times `words`.
    """
    text = neutralise(text[:LONGEST])
    first, last = (part - 1) * words + 1, part * words
    start = end = count = 0
    for count, word in enumerate(WORD.finditer(text), 1):
        if count == first:
            start = word.start()
        if first <= count <= last:
            end = word.end()
    # The excerpt is neutralised again, because the cut may move a bracket to the end. Before a digit (`<3`)
    # the bracket is harmless, but at the end it could open a tag together with text appended later.
    return neutralise(text[start : min(end, start + words * PER_WORD)]), -(-count // words)


def beginning(text: str, words: int) -> str:
    """Returns the first `words` words, neutralised and cut at PER_WORD characters times `words`."""
    text = neutralise(text[: words * PER_WORD])
    last = next(itertools.islice(WORD.finditer(text), words - 1, None), None)
    return neutralise(text[: last.end()]) if last else text
