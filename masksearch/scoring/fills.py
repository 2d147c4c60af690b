"""Reads the fills of masks out of a model's answer, in either answer form. Never fails: what cannot be read is an empty fill.

spans       numbered fills, one a line: "1. Boston", "2. 1970". Also read: "1) Boston", "1: Boston", "1、北京", and "1. Boston; 2. 1970" on one line.
paragraph   the whole text again; the visible text around the masks says where the fills stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from masksearch.text.sentences import UNSPACED
from masksearch.types import MASK, MaskedTask

_NUMBERED = re.compile(
    r"(?P<start>^|[;；])[ \t]*(?P<number>\d{1,2})[ \t]*(?:[.:．：](?!\d)|[)）、])[ \t]*", re.MULTILINE
)
# A word, in scripts without spaces a character; or a punctuation mark.
_TOKEN = re.compile(rf"{re.escape(MASK)}|[{UNSPACED}]|[^\W{UNSPACED}]+|[^\w\s]")
MOST_TOKENS = 2000
"""Of a predicted paragraph, when it must be aligned word by word (which takes quadratic time)."""
LEAST_COPIED = 0.5
"""Share of the visible words that must stand in a predicted paragraph for it to be read as a filled copy at all."""


def parse_fills(text: str, masks: int) -> list[str]:
    """The fills of masks 1 to `masks`, in order; "" where a number is missing.

    A number counts at the start of a line or, if it is the next one in turn, after a semicolon. A fill runs up to
    the next number, over several lines if need be, and is taken as it is. Of a number given twice the first counts,
    so listing guesses earns nothing; numbers above `masks` end a fill and are dropped. With a single mask, text in which no
    number 1 is found is the fill as a whole ("1.5 million" and "12:30" are no numbered fills).
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
    """The numbers that open a fill: (number, where the mark begins, where the fill begins)."""
    marks: list[tuple[int, int, int]] = []
    for match in _NUMBERED.finditer(text):
        number = int(match["number"])
        if match["start"] and (not marks or number != marks[-1][0] + 1):
            continue
        marks.append((number, match.start(), match.end()))
    return marks


def paragraph_fills(prediction: str, task: MaskedTask) -> list[str]:
    """What stands in a predicted paragraph at each mask, in text order; "" where that cannot be told.

    First the visible segments are looked for exactly (white space aside); only if one is missing are the words aligned.
    """
    said = " ".join(prediction.split())
    segments = [re.sub(r"\s+", " ", part) for part in task.text.split(MASK)]
    segments[0], segments[-1] = segments[0].lstrip(), segments[-1].rstrip()
    if said.startswith(segments[0]):
        fills = _between(
            said, len(segments[0]), segments[1:], [" ".join(gold.split()) for gold in task.answers]
        )
        if fills is not None:
            return [fill.strip() for fill in fills]
    return _aligned_fills(said, task)


def _between(said: str, start: int, segments: Sequence[str], golds: Sequence[str]) -> list[str] | None:
    """Fills of `said[start:]`, each up to the visible segment behind it; None where the segments do not all follow.

    Where a fill could end at several places, it is read as the gold answer if the text allows it, otherwise as short
    as can be: "[mask] [mask]" filled with "New York 1970" splits where the gold splits. At most 2 ** masks tries.
    """
    gold, segment = golds[0], segments[0]
    if len(segments) == 1:
        end = len(said) - len(segment)
        return [said[start:end]] if end >= start and said.endswith(segment) else None
    gold_end = start + len(gold)
    ends = [gold_end] if said.startswith(gold + segment, start) else []
    shortest = said.find(segment, start)
    if shortest >= 0 and shortest not in ends:
        ends.append(shortest)
    for end in ends:
        rest = _between(said, end + len(segment), segments[1:], golds[1:])
        if rest is not None:
            return [said[start:end], *rest]
    return None


def _aligned_fills(said: str, task: MaskedTask) -> list[str]:
    """Fills by aligning words (difflib): what stands between the nearest copied words on both sides of a mask.

    Where nothing copied stands between two masks, the first takes what is there. All fills are empty if less than
    LEAST_COPIED of the visible words was copied: free text is no filled paragraph, whatever it contains.
    """
    shown = [None if token == MASK else token.lower() for token in _TOKEN.findall(task.text)]
    found = list(_TOKEN.finditer(said))[:MOST_TOKENS]
    blocks = SequenceMatcher(
        None, shown, [match[0].lower() for match in found], autojunk=False
    ).get_matching_blocks()
    pairs = {block.a + offset: block.b + offset for block in blocks for offset in range(block.size)}
    visible = sum(token is not None for token in shown)
    if not pairs or len(pairs) < LEAST_COPIED * visible:
        return [""] * task.masks
    fills, taken = [], 0
    for place, token in enumerate(shown):
        if token is not None:
            taken = max(taken, pairs.get(place, -1) + 1)
            continue
        following = next(
            (pairs[later] for later in range(place + 1, len(shown)) if later in pairs), len(found)
        )
        fills.append(said[found[taken].start() : found[following - 1].end()] if following > taken else "")
        taken = max(taken, following)
    return fills
