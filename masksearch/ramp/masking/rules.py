"""The rules of masking (the paper's section on RAMP), as pure functions of a passage, its spans and a random generator.

Which spans may be masked does not depend on which others are: a span must stand nowhere else in the whole shown text. So it can be read
nowhere once masked, whatever is masked with it, and a passage is known to allow k masks or not before any is drawn.

Departures from the released generator, all on purpose: spans are drawn without replacement, k is the true count, masks are placed by
offset and never inside a word, answers stand in text order, and a span that is not in the text cannot occur.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from random import Random

from masksearch.ramp.masking.draw import Preference, draw, spread
from masksearch.ramp.masking.shown_text import Reading
from masksearch.text.words import at_boundaries, base_title, has_sequence, loose_words, stop_words, surface
from masksearch.types import MASK, MaskedTask, Passage, Span

SHORTEST = 10
"""Words a passage must have, and visible words a task must be left with."""
UNIQUE, NOT_INFERABLE = "unique", "not-inferable"
RULES = (UNIQUE, NOT_INFERABLE)
"""The rules that can be switched off. `unique`: the span stands once in the shown text. `not-inferable`: nothing there gives it away: its
words stand nowhere else, nor half of them in the title, and it does not stand beside itself as an acronym, a translation or in another unit."""

_AFTER_TITLE = {"zh": "：", "fr": " : "}
_ACRONYM = re.compile(r"\s\(([^\W\d_]{2,8})\b")
_CONVERSION_AFTER = re.compile(r"\s?[^\s()]{0,8}\s?\((?!\d{4}\b[^,.])[^()\d]{0,12}\d[^()]*\)")
_CONVERSION_BEFORE = re.compile(r"\d\s?[^\d().]{0,20}\([^()\d]{0,12}$")
# Chinese, parentheses of either width: a year in them ("（1970年）") is no conversion, and a name in Latin letters there is the one before it.
_CONVERSION_AFTER_ZH = re.compile(
    r"(?:[至到~～–—-]\d[\d.,]*)?[^\s()，。、；\d]{0,6}\((?!\d{3,4}年|\d{4}\))[^()\d年]{0,8}\d[^()年]*\)"
)
_CONVERSION_BEFORE_ZH = re.compile(r"\d[^\d()，。、；年月日]{0,8}\([^()年]{0,12}$")
_NAME_AFTER = re.compile(r"[”》」]?\((?:[^\W\d_]{1,6}[：:]\s?)?[a-zA-ZÀ-ÿ]{2}")
_NAME_BEFORE = re.compile(r"\((?:[^\W\d_]{1,6}[：:]\s?)?$")


def shown_text(passage: Passage) -> tuple[str, int]:
    """The text of a task before masking, and how far the passage's own text is shifted in it.

    Where the title's name does not stand in the passage, it is put before it: "Title: text".
    """
    name = loose_words(base_title(passage.title), passage.language)
    if not name or has_sequence(loose_words(passage.text, passage.language), name):
        return passage.text, 0
    prefix = passage.title + _AFTER_TITLE.get(passage.language, ": ")
    return prefix + passage.text, len(prefix)


def too_short(passage: Passage) -> bool:
    """Whether a passage has fewer words than a task needs; in Chinese, characters."""
    if passage.language == "zh":
        return len(surface("zh").findall(passage.text)) < SHORTEST
    return len(passage.text.split()) < SHORTEST


def usable_spans(
    passage: Passage,
    spans: Sequence[Span],
    refused: Counter[str] | None = None,
    checks: Collection[str] = RULES,
) -> list[Span]:
    """The spans (offsets in the passage's own text) that may be masked, alone or with any of the others; `refused` counts why not.

    `checks` names the rules of `RULES` that hold; word boundaries, spans that say nothing and the title are always refused.
    """
    if not spans or too_short(passage):
        return []
    text, shift = shown_text(passage)
    if MASK in text:
        return []
    reading = Reading(text, passage.title, passage.language)
    kept: list[Span] = []
    answers: list[set[str]] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end, span.category)):
        words = set(reading.span_words(span.start + shift, span.end + shift))
        reason = (
            "overlaps another"
            if kept and span.start < kept[-1].end
            else refusal(reading, span.start + shift, span.end + shift, checks)
        )
        # An answer that is part of another one would give it away.
        if (
            not reason
            and NOT_INFERABLE in checks
            and any(words <= other or other <= words for other in answers)
        ):
            reason = "stands elsewhere in the text"
        if reason:
            if refused is not None:
                refused[reason] += 1
            continue
        kept.append(span)
        answers.append(words)
    return kept


def refusal(reading: Reading, start: int, end: int, checks: Collection[str] = RULES) -> str:
    """Why text[start:end] of a shown text must not be masked; empty if it may be."""
    text, language = reading.text, reading.language
    words = reading.span_words(start, end)
    if not words or not at_boundaries(text, start, end, language):
        return "inside a word"
    if not reading.says_something(words):
        return "says nothing"
    if reading.is_titled(words) or (NOT_INFERABLE in checks and reading.title_tells(words)):
        return "known from the title"
    first, last = reading.within(start, end)
    if UNIQUE in checks and reading.repeats(words, first, last):
        return "stands elsewhere in the text"
    if NOT_INFERABLE in checks and reading.tells(words, first, last):
        return "its words stand elsewhere in the text"
    if NOT_INFERABLE in checks and _stands_beside_itself(text, start, end, language):
        return "stands beside itself in another form"
    return ""


def most_masks(passage: Passage, spans: Sequence[Span]) -> int:
    """How many of the usable spans can be masked together: of neighbours without a word between, one."""
    return len(spread(passage.text, spans))


def mask_passage(
    passage: Passage, spans: Sequence[Span], k: int, rng: Random, preference: Preference | None = None
) -> MaskedTask | None:
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
    if len(surface(passage.language).findall(text)) - k < SHORTEST:
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
        language=passage.language,
    )


def fill(text: str, answers: Sequence[str]) -> str:
    """A masked text with its masks replaced, in order. Raises ValueError where the numbers differ."""
    pieces = text.split(MASK)
    if len(pieces) != len(answers) + 1:
        raise ValueError(f"{len(answers)} answers for {len(pieces) - 1} masks")
    return pieces[0] + "".join(answer + piece for answer, piece in zip(answers, pieces[1:], strict=True))


def _stands_beside_itself(text: str, start: int, end: int, language: str) -> bool:
    if language == "zh":
        text = text.translate(_HALF_WIDTH)
        return _is_translated(text, start, end) or _is_converted(
            text, start, end, _CONVERSION_AFTER_ZH, _CONVERSION_BEFORE_ZH
        )
    return (
        _is_acronym(text, start, end)
        or _is_spelled_out(text, start, end, language)
        or _is_converted(text, start, end)
    )


_HALF_WIDTH = str.maketrans("（）", "()")


def _is_acronym(text: str, start: int, end: int) -> bool:
    """An acronym in parentheses behind its long form."""
    piece = text[start:end]
    bare = piece.replace(".", "").replace("-", "")
    return (
        text.endswith("(", 0, start)
        and len(piece) > 1
        and bare.isalnum()
        and piece.upper() == piece
        and not piece[0].isdigit()
    )


def _is_spelled_out(text: str, start: int, end: int, language: str) -> bool:
    """A long form before its acronym in parentheses."""
    follow = _ACRONYM.match(text, end)
    if not follow:
        return False
    words = re.findall(r"[^\W_]+", text[start:end])
    forms = {"".join(word[0] for word in words if word[0].isupper())}
    if language in ("es", "fr"):  # "Organisation des Nations unies (ONU)"
        forms.add("".join(word[0] for word in words if word.casefold() not in stop_words(language)))
    return follow[1].upper() in {form.upper() for form in forms if form}


def _is_translated(text: str, start: int, end: int) -> bool:
    """Chinese: a name before its foreign form in parentheses, or that form."""
    if _NAME_AFTER.match(text, end):
        return True
    return (
        text[start:end].isascii()
        and text[start].isalpha()
        and bool(_NAME_BEFORE.search(text[max(0, start - 10) : start]))
    )


def _is_converted(
    text: str,
    start: int,
    end: int,
    after: re.Pattern[str] = _CONVERSION_AFTER,
    before: re.Pattern[str] = _CONVERSION_BEFORE,
) -> bool:
    """A quantity beside the same one in another unit: `422,000 km2 (163,000 sq mi)`. A year in parentheses is none."""
    if not any(char.isdigit() for char in text[start:end]):
        return False
    return bool(after.match(text, end) or before.search(text[max(0, start - 40) : start]))
