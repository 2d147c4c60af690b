"""Queries made of nothing but words that can be read in a masked text.

The verifier and the scripted teacher share them: what they find is found with knowledge the model has as well. A query is short and
plain, so that even a small model can learn to copy it: the title as it stands in the text, then the content words around the mask.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.ramp.words import STOP_WORDS, SURFACE, base_title
from masksearch.types import MASK

CONTEXT_WORDS = 6
_TOKEN = re.compile(rf"{re.escape(MASK)}|{SURFACE.pattern}")
_CLITIC = re.compile(r"['’]s$")


@dataclass(frozen=True)
class _Word:
    place: int
    """Which token of the text."""
    surface: str


def visible_query(text: str, mask_index: int, title: str, max_words: int = 12) -> str:
    """The title and up to six content words nearest to mask number `mask_index` (from 0), in text order; at most `max_words`.

    Without stop words, punctuation, masks and repetitions. Raises IndexError where there is no such mask.
    """
    name = visible_title(text, title)
    return _join(name, _context(text, mask_index, name, CONTEXT_WORDS), max_words)


def alternative_queries(text: str, mask_index: int, title: str, max_words: int = 12) -> list[str]:
    """Up to three others to try where the first query found nothing: more context, the title alone, the context alone."""
    name = visible_title(text, title)
    wide = _context(text, mask_index, name, 2 * CONTEXT_WORDS)
    first = visible_query(text, mask_index, title, max_words)
    candidates = [_join(name, wide, max_words + CONTEXT_WORDS), _join(name, [], max_words), _join([], wide[:max_words], max_words)]
    return [query for query in dict.fromkeys(candidates) if query and query != first]


def visible_title(text: str, title: str) -> list[str]:
    """The words of the title as they stand in the masked text; without its parenthesis, where only that much can be seen; or none."""
    # A character no word or gap of words can contain, so that a title is never read across a mask.
    shown = text.replace(MASK, "\0")
    for name in (title, base_title(title)):
        words = re.findall(r"[^\W_]+", name)
        pattern = r"[^\w\0]+".join(map(re.escape, words))
        found = re.search(rf"(?<![^\W_]){pattern}(?![^\W_])", shown, re.IGNORECASE) if words else None
        if found:
            return list(dict.fromkeys(SURFACE.findall(found[0])))
    return []


def content_words(text: str) -> list[str]:
    """The words of a text that are worth searching for, in order: no stop words, masks, single letters, possessive 's or repetitions."""
    found: dict[str, str] = {}
    for token in _TOKEN.findall(text):
        surface = _content(token)
        if surface:
            found.setdefault(surface.casefold(), surface)
    return list(found.values())


def _content(token: str) -> str:
    """A token as it goes into a query; empty for a mask, a stop word or a single letter."""
    surface = _CLITIC.sub("", token)
    key = surface.casefold()
    return "" if token == MASK or key in STOP_WORDS or (len(key) == 1 and not key.isdigit()) else surface


def _context(text: str, mask_index: int, known: Sequence[str], most: int) -> list[str]:
    """The content words nearest to a mask, in text order."""
    tokens = _TOKEN.findall(text)
    masks = [place for place, token in enumerate(tokens) if token == MASK]
    if not 0 <= mask_index < len(masks):
        raise IndexError(f"there is no mask {mask_index} among {len(masks)}")
    centre = masks[mask_index]
    seen = {_CLITIC.sub("", word).casefold() for word in known}
    near: list[_Word] = []
    # Of two words as near as each other, the earlier one first.
    for place in sorted(range(len(tokens)), key=lambda place: (abs(place - centre), place)):
        surface = _content(tokens[place])
        if not surface or surface.casefold() in seen:
            continue
        seen.add(surface.casefold())
        near.append(_Word(place, surface))
        if len(near) == most:
            break
    return [word.surface for word in sorted(near, key=lambda word: word.place)]


def _join(name: Sequence[str], context: Sequence[str], max_words: int) -> str:
    return " ".join([*name, *context][:max_words])
