"""Finds the long form of an acronym and the acronym of a long form anywhere in a text.

"UN" and "United Nations" reveal each other, wherever they are: in parentheses, after a possessive ("the
American Standards Association's (ASA)"), in the title, or two sentences later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ACRONYM = re.compile(
    r"(?<![^\W_])(?:[A-Z]\.(?:\s?[A-Z]\.)+|[A-Z]+(?:&[A-Z]+)+|[A-Z]{2,8}s?|[A-Z][a-z]{1,2}[A-Z]{1,4})(?![^\W_])"
)
_SMALL = frozenset(
    "a an the of for and in on at to by de del la las el los y e du des le les et l d da do das dos".split()  # noqa: SIM905
)
SHORT = 3
"""A longer acronym may consist of the beginnings of words: ANOVA of "analysis of variance"."""
LONGEST = 8
"""Most letters of an acronym."""


def acronym_letters(piece: str) -> str:
    """Returns the letters of an acronym in lower case ("U.N." -> "un"), or "" for another piece."""
    if not _ACRONYM.fullmatch(piece):
        return ""
    return re.sub(r"[^a-z]", "", piece.removesuffix("s").lower())


def acronyms_in(text: str) -> list[tuple[int, int, str]]:
    """Returns the acronyms of a text as (start, end, letters)."""
    return [(match.start(), match.end(), acronym_letters(match[0])) for match in _ACRONYM.finditer(text)]


def initials_of(words: Sequence[str]) -> set[str]:
    """Returns the acronyms of a long form: with and without its small words, and of its capitalised words."""
    if len(words) < 2:
        return set()
    forms = {
        "".join(word[0] for word in words),
        "".join(word[0] for word in words if word.casefold() not in _SMALL),
        "".join(word[0] for word in words if word[0].isupper()),
    }
    return {form.lower() for form in forms if 2 <= len(form) <= LONGEST}


def _by_beginnings(words: Sequence[str], letters: str) -> bool:
    """Whether beginnings of at least two words in a row, at most `SHORT` letters each, give the letters."""
    for first in range(len(words)):
        rests = {letters}
        for number, word in enumerate(words[first : first + len(letters)]):
            rests = {
                rest[size:]
                for rest in rests
                for size in range(1, SHORT + 1)
                if len(rest) >= size and word[:size] == rest[:size]
            }
            if number and "" in rests:
                return True
            if not rests - {""}:
                break
    return False


def spells_out(words: Iterable[str], letters: str) -> bool:
    """Whether words in a row have these letters as their initials; small words between them may be left out.

    The words of an acronym of two letters must have capital letters, because two initials in a row are
    frequent.
    """
    row = list(words)
    if len(letters) > SHORT and _by_beginnings([word.casefold() for word in row], letters):
        return True
    kept = [word for word in row if word.casefold() not in _SMALL]
    size = len(letters)
    for words_in_row in (row, kept):
        initials = "".join(word[0].lower() for word in words_in_row)
        place = initials.find(letters)
        while place >= 0:
            found = words_in_row[place : place + size]
            capitals = sum(word[0].isupper() for word in found)
            if capitals == size or (size > 2 and capitals == 0) or (size > 3 and 2 * capitals >= size):
                return True
            place = initials.find(letters, place + 1)
    return False
