"""Parses the fills of masks out of a model's answer, in either answer form. An unreadable fill is empty.

spans       numbered fills, one per line: "1. Boston", "2. 1970". Also accepts "1) Boston", "1: Boston",
            "1、北京", and "1. Boston; 2. 1970" on one line.
paragraph   the whole text again; the visible text around the masks shows where the fills are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from masksearch.text.sentences import UNSPACED
from masksearch.types import MASK, MaskedTask, Question

_NUMBERED = re.compile(
    r"(?P<start>^|[;；])[ \t]*(?P<number>\d{1,2})[ \t]*(?:[.:．：](?!\d)|[)）、])[ \t]*", re.MULTILINE
)
# Matches one token for word alignment: a mask, a word (a single character in scripts without spaces), or a
# punctuation mark.
_TOKEN = re.compile(rf"{re.escape(MASK)}|[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
MOST_TOKENS = 2000
"""Maximum number of tokens of a predicted paragraph that word alignment uses (alignment takes quadratic
time)."""
LEAST_COPIED = 0.5
"""Minimum share of the visible words that a predicted paragraph must repeat, so that we read fills from
it."""


class Fill(NamedTuple):
    """One scored unit of an answer: the fill of one mask, or the whole answer to a question."""

    text: str
    golds: tuple[str, ...]
    """Equally acceptable gold answers."""
    language: str


def task_fills(prediction: str, task: MaskedTask | Question, answer_form: str) -> list[Fill]:
    """Parses a final answer into its scored units: one per mask, or one for a question.

    `answer_form` ("spans" or "paragraph") matters for RAMP tasks only. Raises ValueError for an unknown form.
    """
    if isinstance(task, Question):
        return [Fill(prediction, task.answers, "")]
    if answer_form == "spans":
        texts = parse_fills(prediction, task.masks)
    elif answer_form == "paragraph":
        texts = paragraph_fills(prediction, task)
    else:
        raise ValueError(f"there is no answer form '{answer_form}'; the forms are spans and paragraph")
    return [Fill(text, (gold,), task.language) for text, gold in zip(texts, task.answers, strict=True)]


def parse_fills(text: str, masks: int) -> list[str]:
    """Returns the fills of masks 1 to `masks`, in order; a fill whose number is missing is empty.

    A number counts at the start of a line. It also counts after a semicolon, if it follows the previous
    number. A fill extends to the next number, over several lines if necessary, and is not edited. If a number
    is repeated, only its first fill counts, so that a list of guesses earns no more. A number above `masks`
    ends the fill before it, and its own fill is dropped.

    With a single mask, a text without a number 1 is the fill as a whole ("1.5 million" and "12:30" are not
    numbered).
    """
    marks = _marks(text)
    fills = [""] * masks
    for place, (number, _, start) in enumerate(marks):
        end = marks[place + 1][1] if place + 1 < len(marks) else len(text)
        first = all(earlier != number for earlier, _, _ in marks[:place])
        if 1 <= number <= masks and first:
            fills[number - 1] = text[start:end].strip()
    if masks == 1 and all(number != 1 for number, _, _ in marks):
        return [text.strip()]
    return fills


def _marks(text: str) -> list[tuple[int, int, int]]:
    """Returns one tuple for each number that starts a fill: (number, position of the number, position of the
    fill)."""
    marks: list[tuple[int, int, int]] = []
    for match in _NUMBERED.finditer(text):
        number = int(match["number"])
        if match["start"] and (not marks or number != marks[-1][0] + 1):
            continue
        marks.append((number, match.start(), match.end()))
    return marks


def paragraph_fills(prediction: str, task: MaskedTask) -> list[str]:
    """Returns the text at each mask of a predicted paragraph, in text order; a fill that is not found is
    empty.

    Matches the visible segments exactly (up to white space); if a segment is missing, aligns words instead.
    """
    predicted = " ".join(prediction.split())
    segments = [re.sub(r"\s+", " ", part) for part in task.text.split(MASK)]
    segments[0], segments[-1] = segments[0].lstrip(), segments[-1].rstrip()
    if predicted.startswith(segments[0]):
        golds = [" ".join(gold.split()) for gold in task.answers]
        fills = _between(predicted, len(segments[0]), segments[1:], golds)
        if fills is not None:
            return [fill.strip() for fill in fills]
    return _aligned_fills(predicted, task)


def _between(predicted: str, start: int, segments: Sequence[str], golds: Sequence[str]) -> list[str] | None:
    """Splits `predicted[start:]` into fills at the visible segments; None if a segment is missing.

    A fill may have several possible ends. Then it is the gold answer if the text allows this, otherwise the
    shortest fill. For example, "[mask] [mask]" filled with "New York 1970" splits where the gold answers
    split. Makes at most 2 ** masks attempts.
    """
    gold, segment = golds[0], segments[0]
    if len(segments) == 1:
        end = len(predicted) - len(segment)
        return [predicted[start:end]] if end >= start and predicted.endswith(segment) else None
    gold_end = start + len(gold)
    ends = [gold_end] if predicted.startswith(gold + segment, start) else []
    shortest = predicted.find(segment, start)
    if shortest >= 0 and shortest not in ends:
        ends.append(shortest)
    for end in ends:
        rest = _between(predicted, end + len(segment), segments[1:], golds[1:])
        if rest is not None:
            return [predicted[start:end], *rest]
    return None


def _aligned_fills(predicted: str, task: MaskedTask) -> list[str]:
    """Finds the fills by aligning words (difflib): a fill is the text between the nearest copied words around
    its mask.

    If no word between two masks was copied, the first mask takes all the text there. If less than
    LEAST_COPIED of the visible words were copied, all fills are empty: free text is not a filled paragraph,
    even if it contains the right words.
    """
    shown = [None if token == MASK else token.lower() for token in _TOKEN.findall(task.text)]
    found = list(_TOKEN.finditer(predicted))[:MOST_TOKENS]
    matcher = SequenceMatcher(None, shown, [match[0].lower() for match in found], autojunk=False)
    # For every token that the prediction copied: its position in `shown` -> its position in `found`.
    pairs = {
        block.a + offset: block.b + offset
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    }
    visible = sum(token is not None for token in shown)
    if not pairs or len(pairs) < LEAST_COPIED * visible:
        return [""] * task.masks
    fills: list[str] = []
    taken = 0  # number of tokens of `found` that are used so far
    for place, token in enumerate(shown):
        if token is not None:
            taken = max(taken, pairs.get(place, -1) + 1)
            continue
        copied_later = (pairs[later] for later in range(place + 1, len(shown)) if later in pairs)
        following = next(copied_later, len(found))
        if following > taken:
            fills.append(predicted[found[taken].start() : found[following - 1].end()])
        else:
            fills.append("")
        taken = max(taken, following)
    return fills
