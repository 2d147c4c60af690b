"""Builds search queries from the visible words of a masked text only.

The check `retrievable` and the scripted teacher share these queries. Both therefore search only with words
that the trained model sees too. A query is the title as written in the text, followed by content words around
the mask. It is short and plain, so that even a small model can learn to write such queries.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from masksearch.text.sentences import UNSPACED
from masksearch.text.terms import STOP_CHARACTERS
from masksearch.text.words import base_title, stop_words, surface
from masksearch.types import MASK

CONTEXT_WORDS = 6
"""Number of content words that a query takes from the text around the mask."""
RUN = 4
"""Maximum number of Chinese characters that count as one word of a query."""
_POSSESSIVE = re.compile(r"['’]s$")
_ELIDED = re.compile(r"^(?:[ldnsjmtc]|(?:jus|lors|puis|quoi)?qu)['’](?=[^\W_])", re.IGNORECASE)
# Chinese function words whose characters may be part of a name ("以" in "以色列"), so that they cannot be
# stop characters.
_FUNCTION_WORDS = (
    "以及|并且|而且|或者|因为|因此|由于|所以|但是|不过|如果|虽然|其中|其他|其它|之一|之后|之前|之间|以后|以前|以来|已经|曾经|通过|进行|可以"
    "|一个|一种|一些|这个|那个|同时|目前|当时|后来|没有|自己|以上|以下"
)
_FILLER = re.compile(rf"(?:{_FUNCTION_WORDS}|[{STOP_CHARACTERS}])+")
_CHINESE = re.compile(rf"[{UNSPACED}]")
_UNBROKEN = re.compile(r"[^\W_]+")
_GAP = "\0"
"""The character that replaces a mask. Neither the pattern of a word nor that of a gap between words matches
it, so no match includes a mask."""


@dataclass(frozen=True)
class _Token:
    """A mask or a word of a masked text; in Chinese, a piece of up to `RUN` characters."""

    text: str
    glued: bool = False
    """Whether the token follows a Chinese token without a gap, so that a query joins the two."""


def visible_query(text: str, mask_index: int, title: str, max_words: int = 12, language: str = "") -> str:
    """Returns a query for mask `mask_index` (from 0): the title, then content words nearest to the mask.

    There are up to six content words (`CONTEXT_WORDS`), in text order. The query has at most `max_words`
    words, without stop words, punctuation, masks and repetitions. A Chinese word here is a piece of up to
    `RUN` characters between stop characters; pieces that are adjacent in the text are joined in the query.
    Raises IndexError if the text has no such mask.
    """
    name = visible_title(text, title, language)
    return _join(name, _context(text, mask_index, name, CONTEXT_WORDS, language), max_words)


def alternative_queries(
    text: str, mask_index: int, title: str, max_words: int = 12, language: str = ""
) -> list[str]:
    """Returns up to three more queries for a mask: title and more context, title, context."""
    name = visible_title(text, title, language)
    wide = _context(text, mask_index, name, 2 * CONTEXT_WORDS, language)
    first = visible_query(text, mask_index, title, max_words, language)
    candidates = [
        _join(name, wide, max_words + CONTEXT_WORDS),
        _join(name, [], max_words),
        _join([], wide[:max_words], max_words),
    ]
    return [query for query in dict.fromkeys(candidates) if query and query != first]


def visible_title(text: str, title: str, language: str = "") -> list[str]:
    """Returns the words of the title as written in the masked text, or no words if the title is not visible.

    A title such as "Mercury (planet)" is also found without its parenthesis. In Chinese the words are the
    pieces between punctuation: "阿尔伯特·爱因斯坦" is two words.
    """
    shown = text.replace(MASK, _GAP)
    if language == "zh":  # Chinese text has no word boundaries
        before, after, word = "", "", _UNBROKEN
    else:
        before, after, word = r"(?<![^\W_])", r"(?![^\W_])", surface(language)
    for name in (title, base_title(title)):
        words = _UNBROKEN.findall(name)
        pattern = rf"[^\w{_GAP}]+".join(map(re.escape, words))
        found = re.search(f"{before}{pattern}{after}", shown, re.IGNORECASE) if words else None
        if found:
            return list(dict.fromkeys(word.findall(found[0])))
    return []


def _tokens(text: str, known: Sequence[str], language: str) -> list[_Token]:
    """Returns the masks and words of a text in order; in Chinese, the pieces between stop characters.

    The words in `known` (the title) are first removed from a Chinese text, because no word boundary
    separates them from the other words.
    """
    if language != "zh":
        return [_Token(token) for token in _pattern(language).findall(text)]
    for word in known:
        text = text.replace(word, _GAP)
    return [
        part
        for token in _pattern(language).findall(text)
        for part in (_parts(token) if _CHINESE.match(token) else [_Token(token)])
    ]


@cache
def _pattern(language: str) -> re.Pattern[str]:
    word = surface(language).pattern
    if language == "zh":
        word = rf"\d+[年月日]|[{UNSPACED}]+|{word}"
    return re.compile(rf"{re.escape(MASK)}|{word}")


def _parts(run: str) -> Iterator[_Token]:
    """Splits Chinese characters without a gap at function words, then into equal parts of at most `RUN`."""
    for piece in _FILLER.split(run):
        count = -(-len(piece) // RUN)
        edges = [round(part * len(piece) / count) for part in range(count + 1)] if count else []
        for low, high in itertools.pairwise(edges):
            yield _Token(piece[low:high], glued=low > 0)


def _content(token: str, language: str) -> str:
    """Returns a token's form in a query; empty for a mask, a stop word or a single letter."""
    word = _POSSESSIVE.sub("", token)
    if language == "fr":
        word = _ELIDED.sub("", word)
    key = word.casefold()
    if token == MASK or key in stop_words(language) or (len(key) == 1 and not key.isdigit()):
        return ""
    return word


def _context(text: str, mask_index: int, known: Sequence[str], most: int, language: str) -> list[str]:
    """Returns the `most` content words nearest to a mask, in text order, without the words in `known`."""
    tokens = _tokens(text, known, language)
    masks = [place for place, token in enumerate(tokens) if token.text == MASK]
    if not 0 <= mask_index < len(masks):
        raise IndexError(f"mask {mask_index} does not exist: the text has {len(masks)} masks, counted from 0")
    centre = masks[mask_index]
    used = {_POSSESSIVE.sub("", word).casefold() for word in known}
    near: dict[int, str] = {}
    # At equal distance the earlier word comes first.
    for place in sorted(range(len(tokens)), key=lambda place: (abs(place - centre), place)):
        word = _content(tokens[place].text, language)
        if not word or word.casefold() in used:
            continue
        used.add(word.casefold())
        near[place] = word
        if len(near) == most:
            break
    words: list[str] = []
    for place in sorted(near):
        if tokens[place].glued and place - 1 in near:
            words[-1] += near[place]
        else:
            words.append(near[place])
    return words


def _join(name: Sequence[str], context: Sequence[str], max_words: int) -> str:
    return " ".join([*name, *context][:max_words])
