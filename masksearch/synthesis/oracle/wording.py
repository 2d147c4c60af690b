"""Writes the thoughts of the scripted teacher: short sentences of words from the task or a result.

Small models can learn this form. A thought first repeats the words around a mask. Then it quotes the same
words from the evidence, with the answer in brackets in the mask's place. So a model can copy the answer,
and the words that follow show where the answer ends. A thought repeats only one word before a mask: models
reliably find the word right before "[mask]", but not a word further back (measured: docs/log.md).
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
"""Number of words that are quoted before and after a mask or a span."""
LEFT_ZH, RIGHT_ZH = 4, 8
"""Number of characters that are quoted before and after a mask or a span in a Chinese text: about two words
before it, and four words after it."""
# One unit of a Chinese text, counted as a character: a mask, a character, a Latin word or a number.
_CHARACTER = re.compile(rf"{re.escape(MASK)}|{surface('zh').pattern}")


@dataclass(frozen=True)
class Phrases:
    """The teacher's own words in one language: templates that are filled with quotes."""

    after: str
    """Template for the place of a mask: the mask with the words that follow, and the words before it."""
    found: str
    """Template for the evidence of a mask: the number of the mask, and the quote with its answer."""
    open: str
    """Template for a mask without evidence: its number and place."""
    next: str = "Next: {entity}"
    """Template for the next entity to search for, if the task names the entity."""
    read: str = "Next in {quote}"
    """Template for the next entity, if a result names the entity: a quote with the entity in brackets."""
    unhelpful: str = "{entity} did not help."
    """Template for an entity whose search found no evidence."""
    gap: str = " ... "
    """The mark for words that a quote leaves out."""


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
    """Returns the teacher's words in a language; in English for an empty or unknown one."""
    return _PHRASES.get(language, _ENGLISH)


def turn(thought: str, action: str, body: str) -> str:
    """Returns a model turn in the tag protocol."""
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
    """Returns characters [start, end) of a text between `marks`, with words before and after, on one line.

    For a Chinese text, `left` and `right` are ignored. The quote then has `LEFT_ZH` characters before and
    `RIGHT_ZH` after, of the same sentence; a Latin word or a number counts as one character.
    """
    head, tail = neighbours(text, start, end, left, right, language)
    return " ".join((head + marks[0] + text[start:end] + marks[1] + tail).split())


def neighbours(
    text: str, start: int, end: int, left: int = LEFT, right: int = RIGHT, language: str = ""
) -> tuple[str, str]:
    """Returns the words right before and right after characters [start, end) of a text (see `around`)."""
    if language == "zh":
        return _before_zh(text, start), _after_zh(text, end)
    # A piece without a space between it and the span, such as a bracket, is included but not counted as a
    # word.
    return " ".join(text[:start].split(" ")[-left - 1 :]), " ".join(text[end:].split(" ")[: right + 1])


def _before_zh(text: str, start: int) -> str:
    """Returns the last `LEFT_ZH` characters before a position of a Chinese text, within its sentence."""
    words = [match.start() for match in _CHARACTER.finditer(text, 0, start)][-LEFT_ZH:]
    return re.split("[。！？；]", text[words[0] if len(words) == LEFT_ZH else 0 : start])[-1]


def _after_zh(text: str, end: int) -> str:
    """Returns the first `RIGHT_ZH` characters after a position of a Chinese text, within its sentence."""
    words = [match.end() for match in _CHARACTER.finditer(text, end)][:RIGHT_ZH]
    return re.split("(?<=[。！？；])", text[end : words[-1] if len(words) == RIGHT_ZH else len(text)])[0]


@dataclass(frozen=True)
class Place:
    """The surroundings of a mask: the words before it, and the mask with the words that follow."""

    before: str
    following: str


def surroundings(text: str, language: str = "") -> list[Place]:
    """Returns the place of each mask of a text."""
    text = neutralise(text)
    found = []
    for match in re.finditer(re.escape(MASK), text):
        if language == "zh":
            before = _before_zh(text, match.start()).strip()
            following = (MASK + _after_zh(text, match.end())).strip()
        else:
            head = text[: match.start()]
            elided = language == "fr" and head.endswith(("'", "’"))
            following = " ".join(text[match.start() :].split()[: RIGHT + 1])
            # An elided word is shown with the word before it: "chefs d'" instead of "d'" alone.
            before = " ".join(head.split()[-LEFT - elided :])
        found.append(Place(before, following))
    return found


def mask_places(text: str, language: str = "") -> list[str]:
    """Returns each mask of a text with the words that follow it, and the words before it in parentheses."""
    after = phrases(language).after
    return [
        after.format(following=place.following, before=place.before) if place.before else place.following
        for place in surroundings(text, language)
    ]


# Each character of a script without spaces (Chinese) has a word boundary on both sides.
_EDGE = rf"(?<=[{UNSPACED}])|(?=[{UNSPACED}])"


def find_span(text: str, span: str) -> tuple[int, int] | None:
    """Returns the first place of a span in a text (see `find_spans`), or None."""
    return next(find_spans(text, span), None)


def find_spans(text: str, span: str) -> Iterator[tuple[int, int]]:
    """Yields each place of a span as whole words in a text, left to right; ignores case and white space."""
    words = r"\s+".join(map(re.escape, neutralise(span).split()))
    if words:
        for match in re.finditer(rf"(?:(?<!\w)|{_EDGE}){words}(?:(?!\w)|{_EDGE})", text, re.IGNORECASE):
            yield match.span()


def numbered(answers: Sequence[str]) -> str:
    """Returns the answers of a task in the answer form `spans`, numbered if there are several.

    A single answer has no number, so that it looks like the answer to a question.
    """
    if len(answers) == 1:
        return answers[0]
    return "\n".join(f"{number}. {answer}" for number, answer in enumerate(answers, 1))


def words_of(text: str, language: str = "") -> set[str]:
    """Returns the words of a text in lower case; the characters of a Chinese text."""
    return set(_WORD[language == "zh"].findall(text.lower()))


_WORD = (re.compile(r"\w+"), re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+"))


def leaks(query: str, golds: Sequence[str], visible: str, language: str = "") -> bool:
    """Whether a query holds a word of a gold answer that the text visible so far does not hold."""
    return bool(words_of(query, language) & words_of(" ".join(golds), language) - words_of(visible, language))


def content_words(text: str) -> list[str]:
    """Returns the words of a text that are useful in a query, in order, each once."""
    words = [word.removesuffix("'s").removesuffix("’s") for word in SURFACE.findall(text)]
    kept = [word for word in words if word.casefold() not in STOP_WORDS and (len(word) > 1 or word.isdigit())]
    first: dict[str, str] = {}
    for word in kept:
        first.setdefault(word.casefold(), word)
    return list(first.values())
