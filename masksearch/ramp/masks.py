"""The rules of masking (the paper's section on RAMP), as pure functions of a passage, its spans and a random generator.

Which spans may be masked does not depend on which others are: a span must stand nowhere else in the whole shown text. So it can be read
nowhere once masked, whatever is masked with it, and a passage is known to allow k masks or not before any is drawn.

Departures from the released generator, all on purpose: spans are drawn without replacement, k is the true count, masks are placed by
offset and never inside a word, answers stand in text order, and a span that is not in the text cannot occur.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from random import Random

from masksearch.ramp.draw import Preference, draw, spread
from masksearch.ramp.words import STOP_WORDS, SURFACE, akin, at_boundaries, base_title, has_sequence, loose_words
from masksearch.types import MASK, MaskedTask, Passage, Span

SHORTEST = 10
"""Words a passage must have, and visible words a task must be left with."""

_ACRONYM = re.compile(r"\s\(([^\W\d_]{2,8})\b")
_CONVERSION_AFTER = re.compile(r"\s?[^\s()]{0,8}\s?\((?!\d{4}\b[^,.])[^()\d]{0,12}\d[^()]*\)")
_CONVERSION_BEFORE = re.compile(r"\d\s?[^\d().]{0,20}\([^()\d]{0,12}$")


def shown_text(passage: Passage) -> tuple[str, int]:
    """The text of a task before masking, and how far the passage's own text is shifted in it.

    Where the title's name does not stand in the passage, it is put before it: "Title: text".
    """
    name = loose_words(base_title(passage.title))
    prefix = "" if not name or has_sequence(loose_words(passage.text), name) else f"{passage.title}: "
    return prefix + passage.text, len(prefix)


def usable_spans(passage: Passage, spans: Sequence[Span], refused: Counter[str] | None = None) -> list[Span]:
    """The spans (offsets in the passage's own text) that may be masked, alone or with any of the others; `refused` counts why not."""
    text, shift = shown_text(passage)
    if MASK in text or len(passage.text.split()) < SHORTEST:
        return []
    kept: list[Span] = []
    answers: list[set[str]] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        words = set(loose_words(passage.text[span.start : span.end]))
        reason = refusal(text, span.start + shift, span.end + shift, passage.title)
        if kept and span.start < kept[-1].end:
            reason = "overlaps another"
        # An answer that is part of another one would give it away.
        elif not reason and any(words <= other or other <= words for other in answers):
            reason = "stands elsewhere in the text"
        if reason:
            if refused is not None:
                refused[reason] += 1
            continue
        kept.append(span)
        answers.append(words)
    return kept


def refusal(text: str, start: int, end: int, title: str) -> str:
    """Why text[start:end] must not be masked in `text`, an article of that title; empty if it may be."""
    words = loose_words(text[start:end])
    if not words or not at_boundaries(text, start, end):
        return "inside a word"
    if all(word in STOP_WORDS for word in words) or (len(words) == 1 and len(words[0]) == 1 and not words[0].isdigit()):
        return "says nothing"
    if _in_title(words, title):
        return "known from the title"
    before, after = loose_words(text[:start]), loose_words(text[end:])
    if has_sequence(before, words) or has_sequence(after, words):
        return "stands elsewhere in the text"
    rest = set(before) | set(after)
    content = [word for word in words if len(word) > 3 and word not in STOP_WORDS]
    if content and all(any(akin(word, other) for other in rest) for word in content):
        return "its words stand elsewhere in the text"
    if _is_spelled_out(text, start, end) or _is_converted(text, start, end):
        return "stands beside itself in another form"
    return ""


def most_masks(passage: Passage, spans: Sequence[Span]) -> int:
    """How many of the usable spans can be masked together: of neighbours without a word between, one."""
    return len(spread(passage.text, spans))


def mask_passage(passage: Passage, spans: Sequence[Span], k: int, rng: Random, preference: Preference | None = None) -> MaskedTask | None:
    """A task with exactly k masks drawn without replacement from usable `spans` (see `usable_spans`), or None.

    `fill(task.text, task.answers) == task.original` always.
    """
    chosen = draw(passage.text, spans, k, rng, preference)
    if chosen is None:
        return None
    original, shift = shown_text(passage)
    pieces, last = [], 0
    for span in chosen:
        pieces += [original[last : span.start + shift], MASK]
        last = span.end + shift
    text = "".join([*pieces, original[last:]])
    if len(SURFACE.findall(text)) - k < SHORTEST:
        return None
    return MaskedTask(
        id=f"{passage.id}:{k}",
        doc_id=passage.doc_id,
        passage_id=passage.id,
        title=passage.title,
        text=text,
        answers=tuple(original[span.start + shift : span.end + shift] for span in chosen),
        masks=k,
        original=original,
        categories=tuple(span.category for span in chosen),
    )


def fill(text: str, answers: Sequence[str]) -> str:
    """A masked text with its masks replaced, in order. Raises ValueError where the numbers differ."""
    pieces = text.split(MASK)
    if len(pieces) != len(answers) + 1:
        raise ValueError(f"{len(answers)} answers for {len(pieces) - 1} masks")
    return pieces[0] + "".join(answer + piece for answer, piece in zip(answers, pieces[1:], strict=True))


def _in_title(words: Sequence[str], title: str) -> bool:
    """Part of the title, or the title part of it, or half of its content words known from the title."""
    name, whole = loose_words(base_title(title)), loose_words(title)
    if set(words) <= set(whole) or (name and set(name) <= set(words)):
        return True
    if len(words) == 1 and not words[0].isdigit() and any(other.startswith(words[0]) for other in whole):
        return True  # a symbol or short form: "Ne" of neon
    content = [word for word in words if len(word) > 3 and word not in STOP_WORDS]
    return bool(content) and 2 * sum(any(akin(word, other) for other in whole) for word in content) >= len(content)


def _is_spelled_out(text: str, start: int, end: int) -> bool:
    """An acronym in parentheses behind its long form, or the long form before its acronym."""
    piece = text[start:end]
    if (
        text[:start].endswith("(")
        and len(piece) > 1
        and piece.replace(".", "").replace("-", "").isalnum()
        and piece.upper() == piece
        and not piece[0].isdigit()
    ):
        return True
    follow = _ACRONYM.match(text, end)
    initials = "".join(word[0] for word in re.findall(r"[^\W_]+", piece) if word[0].isupper())
    return bool(follow and initials and follow[1].upper() == initials.upper())


def _is_converted(text: str, start: int, end: int) -> bool:
    """A quantity beside the same one in another unit: `422,000 km2 (163,000 sq mi)`. A year in parentheses is none."""
    if not any(char.isdigit() for char in text[start:end]):
        return False
    return bool(_CONVERSION_AFTER.match(text, end) or _CONVERSION_BEFORE.search(text[max(0, start - 40) : start]))
