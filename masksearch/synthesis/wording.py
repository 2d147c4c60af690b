"""How the scripted teacher words its thoughts: short, regular, and made of words it has really seen.

The form is chosen for small models: a thought first repeats the words around a mask, then quotes the same words from the
evidence with the fill in brackets, where the mask stood: the fill is found by copying along, and its end by the words
that follow. One word before a mask and no more: a model finds the word before "[mask]" at once, but not one further
back (measured: docs/log.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from masksearch.ramp.words import STOP_WORDS, SURFACE
from masksearch.search.neutralise import neutralise
from masksearch.types import MASK

LEFT, RIGHT = 1, 3
"""Words quoted before and after a mask or a span."""


def turn(thought: str, action: str, body: str) -> str:
    """A model turn in the tag protocol."""
    return f"<think>{thought}</think>\n<{action}>{body}</{action}>"


def around(text: str, start: int, end: int, left: int = LEFT, right: int = RIGHT, marks: tuple[str, str] = ("", "")) -> str:
    """Characters [start, end) of a text between `marks`, with some words before and after, on one line."""
    # A piece of a word that clings to the span, such as a bracket, comes along and does not count as a word.
    head = " ".join(text[:start].split(" ")[-left - 1 :])
    tail = " ".join(text[end:].split(" ")[: right + 1])
    return " ".join((head + marks[0] + text[start:end] + marks[1] + tail).split())


def mask_places(text: str) -> list[str]:
    """Each mask of a text with the words that follow it, and those before it in parentheses."""
    text = neutralise(text)
    places = []
    for match in re.finditer(re.escape(MASK), text):
        following = " ".join(text[match.start() :].split()[: RIGHT + 1])
        before = " ".join(text[: match.start()].split()[-LEFT:])
        places.append(f"{following} (after {before})" if before else following)
    return places


def find_span(text: str, span: str) -> tuple[int, int] | None:
    """Where a span stands in a text as whole words, white space and case aside."""
    words = r"\s+".join(map(re.escape, neutralise(span).split()))
    match = re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE) if words else None
    return match.span() if match else None


def numbered(answers: Sequence[str]) -> str:
    """Fills in the answer form `spans`: numbered where there are several, so that one fill looks like an answer to any question."""
    if len(answers) == 1:
        return answers[0]
    return "\n".join(f"{number}. {answer}" for number, answer in enumerate(answers, 1))


def words_of(text: str) -> set[str]:
    """The words of a text, lower-cased."""
    return set(re.findall(r"\w+", text.lower()))


def leaks(query: str, golds: Sequence[str], visible: str) -> bool:
    """Whether a query holds a word of a gold answer that stands nowhere in the text visible so far."""
    return bool(words_of(query) & words_of(" ".join(golds)) - words_of(visible))


def content_words(text: str) -> list[str]:
    """Words of a text worth searching for, in order, each once."""
    words = [word.removesuffix("'s").removesuffix("’s") for word in SURFACE.findall(text)]
    kept = [word for word in words if word.casefold() not in STOP_WORDS and (len(word) > 1 or word.isdigit())]
    first: dict[str, str] = {}
    for word in kept:
        first.setdefault(word.casefold(), word)
    return list(first.values())
