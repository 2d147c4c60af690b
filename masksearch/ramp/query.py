"""Queries made of nothing but words that can be read in a masked text.

The verifier and the scripted teacher share them: what they find is found with knowledge the model has as well. A query is short and
plain, so that even a small model can learn to copy it: the title as it stands in the text, then the content words around the mask.
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
RUN = 4
"""Most characters of Chinese that count as one word of a query."""
_POSSESSIVE = re.compile(r"['’]s$")
_ELIDED = re.compile(r"^(?:[ldnsjmtc]|(?:jus|lors|puis|quoi)?qu)['’](?=[^\W_])", re.IGNORECASE)
# Chinese words that say nothing, of characters that may be part of a name ("以" of "以色列").
_NOTHING = (
    "以及|并且|而且|或者|因为|因此|由于|所以|但是|不过|如果|虽然|其中|其他|其它|之一|之后|之前|之间|以后|以前|以来|已经|曾经|通过|进行|可以"
    "|一个|一种|一些|这个|那个|同时|目前|当时|后来|没有|自己|以上|以下"
)
_FILLER = re.compile(rf"(?:{_NOTHING}|[{STOP_CHARACTERS}])+")
_CHINESE = re.compile(rf"[{UNSPACED}]")
_UNBROKEN = re.compile(r"[^\W_]+")
_GAP = "\0"
"""A character that no word or gap of words can hold, so that nothing is read across a mask."""


@dataclass(frozen=True)
class _Token:
    """A mask or a word of a text."""

    text: str
    glued: bool = False
    """Goes on where the token before it ends: part of the same run of Chinese characters."""


def visible_query(text: str, mask_index: int, title: str, max_words: int = 12, language: str = "") -> str:
    """The title and up to six content words nearest to mask number `mask_index` (from 0), in text order; at most `max_words`.

    Without stop words, punctuation, masks and repetitions. In Chinese a word is up to `RUN` characters between stop characters; those that stand
    side by side in the text do so in the query. Raises IndexError where there is no such mask.
    """
    name = visible_title(text, title, language)
    return _join(name, _context(text, mask_index, name, CONTEXT_WORDS, language), max_words)


def alternative_queries(
    text: str, mask_index: int, title: str, max_words: int = 12, language: str = ""
) -> list[str]:
    """Up to three others to try where the first query found nothing: more context, the title alone, the context alone."""
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
    """The words of the title as they stand in the masked text; without its parenthesis, where only that much can be seen; or none.

    In Chinese, what stands between punctuation: "阿尔伯特·爱因斯坦" is two words.
    """
    shown = text.replace(MASK, _GAP)
    before, after, word = (
        ("", "", _UNBROKEN) if language == "zh" else (r"(?<![^\W_])", r"(?![^\W_])", surface(language))
    )
    for name in (title, base_title(title)):
        words = _UNBROKEN.findall(name)
        pattern = rf"[^\w{_GAP}]+".join(map(re.escape, words))
        found = re.search(f"{before}{pattern}{after}", shown, re.IGNORECASE) if words else None
        if found:
            return list(dict.fromkeys(word.findall(found[0])))
    return []


def content_words(text: str, language: str = "") -> list[str]:
    """The words of a text that are worth searching for, in order: no stop words, masks, single letters, possessive 's or repetitions."""
    found: dict[str, str] = {}
    for token in _tokens(text, (), language):
        word = _content(token.text, language)
        if word:
            found.setdefault(word.casefold(), word)
    return list(found.values())


def _tokens(text: str, known: Sequence[str], language: str) -> list[_Token]:
    """Masks and words of a text, in order; in Chinese, parts of runs between stop characters, without what is `known`."""
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
    """A run of Chinese characters in about equal parts of at most `RUN`, without what says nothing."""
    for piece in _FILLER.split(run):
        count = -(-len(piece) // RUN)
        edges = [round(part * len(piece) / count) for part in range(count + 1)] if count else []
        for low, high in itertools.pairwise(edges):
            yield _Token(piece[low:high], glued=low > 0)


def _content(token: str, language: str) -> str:
    """A token as it goes into a query; empty for a mask, a stop word or a single letter."""
    word = _POSSESSIVE.sub("", token)
    if language == "fr":
        word = _ELIDED.sub("", word)
    key = word.casefold()
    return (
        "" if token == MASK or key in stop_words(language) or (len(key) == 1 and not key.isdigit()) else word
    )


def _context(text: str, mask_index: int, known: Sequence[str], most: int, language: str) -> list[str]:
    """The content words nearest to a mask, in text order."""
    tokens = _tokens(text, known, language)
    masks = [place for place, token in enumerate(tokens) if token.text == MASK]
    if not 0 <= mask_index < len(masks):
        raise IndexError(f"there is no mask {mask_index} among {len(masks)}")
    centre = masks[mask_index]
    seen = {_POSSESSIVE.sub("", word).casefold() for word in known}
    near: dict[int, str] = {}
    # Of two words as near as each other, the earlier one first.
    for place in sorted(range(len(tokens)), key=lambda place: (abs(place - centre), place)):
        word = _content(tokens[place].text, language)
        if not word or word.casefold() in seen:
            continue
        seen.add(word.casefold())
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
