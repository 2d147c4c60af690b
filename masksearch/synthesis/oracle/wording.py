"""How the scripted teacher words its thoughts: short, regular, and made of words it has really seen.

The form is chosen for small models: a thought first repeats the words around a mask, then quotes the same words from the
evidence with the fill in brackets, where the mask stood: the fill is found by copying along, and its end by the words
that follow. One word before a mask and no more: a model finds the word before "[mask]" at once, but not one further
back (measured: docs/log.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from masksearch.text.neutralise import neutralise
from masksearch.text.sentences import UNSPACED
from masksearch.text.words import STOP_WORDS, SURFACE, surface
from masksearch.types import MASK

LEFT, RIGHT = 1, 3
"""Words quoted before and after a mask or a span."""
LEFT_ZH, RIGHT_ZH = 4, 8
"""In Chinese, characters: about two words, and four."""
# Of a Chinese text: a character, or a mask, a Latin word or a figure.
_CHARACTER = re.compile(rf"{re.escape(MASK)}|{surface('zh').pattern}")


@dataclass(frozen=True)
class Phrases:
    """The few words of the teacher's own, in one language."""

    after: str
    """Where a mask stands, after the words before it."""
    found: str
    """Which mask a quote fills."""
    open: str
    """Which mask is still to be found."""
    next: str = "Next: {entity}"
    """What is searched for next: an entity that the task itself names."""
    read: str = "Next in {quote}"
    """The same, where it was read in a result: it stands in brackets."""
    unhelpful: str = "{entity} did not help."
    """Said of a search for an entity that brought no evidence."""
    gap: str = " ... "
    """Stands for what a quote leaves out."""


_ENGLISH = Phrases("{following} (after {before})", "{number} in {quote}", "{number} is open: {place}")
_PHRASES = {
    "es": Phrases(
        "{following} (tras {before})",
        "{number} en {quote}",
        "{number} sigue abierto: {place}",
        "Sigue: {entity}",
        "Sigue en {quote}",
        "{entity} no sirvió.",
    ),
    "fr": Phrases(
        "{following} (après {before})",
        "{number} dans {quote}",
        "{number} reste ouvert : {place}",
        "Ensuite : {entity}",
        "Ensuite dans {quote}",
        "{entity} n'a rien donné.",
    ),
    "zh": Phrases(
        "{following}（前面是“{before}”）",
        "{number}见{quote}",
        "{number}还没有找到：{place}",
        "接着查{entity}",
        "接着查{quote}",
        "{entity}没有帮助。",
        "……",
    ),
}


def phrases(language: str = "") -> Phrases:
    """The teacher's words in the language of a task; English where it names none."""
    return _PHRASES.get(language, _ENGLISH)


def turn(thought: str, action: str, body: str) -> str:
    """A model turn in the tag protocol."""
    return f"<think>{thought}</think>\n<{action}>{body}</{action}>"


def around(
    text: str,
    start: int,
    end: int,
    left: int = LEFT,
    right: int = RIGHT,
    marks: tuple[str, str] = ("", ""),
    language: str = "",
) -> str:
    """Characters [start, end) of a text between `marks`, with some words before and after, on one line.

    In Chinese `left` and `right` do not count: it is `LEFT_ZH` and `RIGHT_ZH` characters of the same sentence, a Latin word or a figure being one.
    """
    head, tail = beside(text, start, end, left, right, language)
    return " ".join((head + marks[0] + text[start:end] + marks[1] + tail).split())


def beside(
    text: str, start: int, end: int, left: int = LEFT, right: int = RIGHT, language: str = ""
) -> tuple[str, str]:
    """What stands right before and right after characters [start, end) of a text, cut as `around` cuts it."""
    if language == "zh":
        return _before_zh(text, start), _after_zh(text, end)
    # A piece of a word that clings to the span, such as a bracket, comes along and does not count as a word.
    return " ".join(text[:start].split(" ")[-left - 1 :]), " ".join(text[end:].split(" ")[: right + 1])


def _before_zh(text: str, start: int) -> str:
    """The last characters of a sentence before a place."""
    words = [match.start() for match in _CHARACTER.finditer(text, 0, start)][-LEFT_ZH:]
    return re.split("[。！？；]", text[words[0] if len(words) == LEFT_ZH else 0 : start])[-1]


def _after_zh(text: str, end: int) -> str:
    """The first characters of a sentence after a place."""
    words = [match.end() for match in _CHARACTER.finditer(text, end)][:RIGHT_ZH]
    return re.split("(?<=[。！？；])", text[end : words[-1] if len(words) == RIGHT_ZH else len(text)])[0]


@dataclass(frozen=True)
class Place:
    """Where a mask stands: the words before it, and the mask with those that follow."""

    before: str
    following: str


def surroundings(text: str, language: str = "") -> list[Place]:
    """The place of each mask of a text."""
    text = neutralise(text)
    found = []
    for match in re.finditer(re.escape(MASK), text):
        if language == "zh":
            before, following = (
                _before_zh(text, match.start()).strip(),
                (MASK + _after_zh(text, match.end())).strip(),
            )
        else:
            head, clings = (
                text[: match.start()].split(),
                language == "fr" and text[: match.start()].endswith(("'", "’")),
            )
            following = " ".join(text[match.start() :].split()[: RIGHT + 1])
            before = " ".join(head[-LEFT - clings :])  # "chefs d'" rather than "d'"
        found.append(Place(before, following))
    return found


def mask_places(text: str, language: str = "") -> list[str]:
    """Each mask of a text with the words that follow it, and those before it in parentheses."""
    after = phrases(language).after
    return [
        after.format(following=place.following, before=place.before) if place.before else place.following
        for place in surroundings(text, language)
    ]


# Any two Chinese characters have an edge between them.
_EDGE = rf"(?<=[{UNSPACED}])|(?=[{UNSPACED}])"


def find_span(text: str, span: str) -> tuple[int, int] | None:
    """Where a span first stands in a text as whole words, white space and case aside."""
    return next(find_spans(text, span), None)


def find_spans(text: str, span: str) -> Iterator[tuple[int, int]]:
    """Where a span stands in a text as whole words, white space and case aside: each place, from left to right."""
    words = r"\s+".join(map(re.escape, neutralise(span).split()))
    if words:
        for match in re.finditer(rf"(?:(?<!\w)|{_EDGE}){words}(?:(?!\w)|{_EDGE})", text, re.IGNORECASE):
            yield match.span()


def numbered(answers: Sequence[str]) -> str:
    """Fills in the answer form `spans`: numbered where there are several, so that one fill looks like an answer to any question."""
    if len(answers) == 1:
        return answers[0]
    return "\n".join(f"{number}. {answer}" for number, answer in enumerate(answers, 1))


def words_of(text: str, language: str = "") -> set[str]:
    """The words of a text, lower-cased; of a Chinese one, its characters."""
    return set(_WORD[language == "zh"].findall(text.lower()))


_WORD = (re.compile(r"\w+"), re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+"))


def leaks(query: str, golds: Sequence[str], visible: str, language: str = "") -> bool:
    """Whether a query holds a word of a gold answer that stands nowhere in the text visible so far."""
    return bool(words_of(query, language) & words_of(" ".join(golds), language) - words_of(visible, language))


def content_words(text: str) -> list[str]:
    """Words of a text worth searching for, in order, each once."""
    words = [word.removesuffix("'s").removesuffix("’s") for word in SURFACE.findall(text)]
    kept = [word for word in words if word.casefold() not in STOP_WORDS and (len(word) > 1 or word.isdigit())]
    first: dict[str, str] = {}
    for word in kept:
        first.setdefault(word.casefold(), word)
    return list(first.values())
