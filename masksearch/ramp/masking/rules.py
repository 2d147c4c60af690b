"""The rules of masking (the paper's section on RAMP): pure functions of a passage, its spans and a seed.

A span may be masked only if it occurs nowhere else in the whole shown text. This rule does not depend on
which other spans are masked. Therefore the number of masks that a passage allows is known before any span is
drawn.

Intended departures from the paper's released generator: spans are drawn without replacement; k is always the
true number of masks; masks are placed by offset and never inside a word; answers are in text order; and every
answer is a span of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from random import Random

from masksearch.ramp.masking.draw import Preference, draw, spread
from masksearch.ramp.masking.shown_text import ShownText
from masksearch.text.words import at_boundaries, base_title, has_sequence, loose_words, stop_words, surface
from masksearch.types import MASK, MaskedTask, Passage, Span

SHORTEST = 10
"""Minimum number of words of a passage, and of visible words of a task."""
UNIQUE, NOT_INFERABLE = "unique", "not-inferable"
RULES = (UNIQUE, NOT_INFERABLE)
"""The rules that `verify` can switch off. `unique`: the span occurs once in the shown text. `not-inferable`:
the visible text does not give the span away. Its words do not occur elsewhere, less than half of them are
in the title, and no acronym, translation or conversion of the span is next to it."""

_AFTER_TITLE = {"zh": "：", "fr": " : "}
_ACRONYM = re.compile(r"\s\(([^\W\d_]{2,8})\b")
_CONVERSION_AFTER = re.compile(r"\s?[^\s()]{0,8}\s?\((?!\d{4}\b[^,.])[^()\d]{0,12}\d[^()]*\)")
_CONVERSION_BEFORE = re.compile(r"\d\s?[^\d().]{0,20}\([^()\d]{0,12}$")
# These patterns suit Chinese text with half-width parentheses. A year in parentheses ("（1970年）") is not a
# conversion; a name in Latin letters in parentheses repeats the name before it.
_CONVERSION_AFTER_ZH = re.compile(
    r"(?:[至到~～–—-]\d[\d.,]*)?[^\s()，。、；\d]{0,6}\((?!\d{3,4}年|\d{4}\))[^()\d年]{0,8}\d[^()年]*\)"
)
_CONVERSION_BEFORE_ZH = re.compile(r"\d[^\d()，。、；年月日]{0,8}\([^()年]{0,12}$")
_NAME_AFTER = re.compile(r"[”》」]?\((?:[^\W\d_]{1,6}[：:]\s?)?[a-zA-ZÀ-ÿ]{2}")
_NAME_BEFORE = re.compile(r"\((?:[^\W\d_]{1,6}[：:]\s?)?$")


def shown_text(passage: Passage) -> tuple[str, int]:
    """Returns the text of a task before masking, and the offset of the passage's own text in it.

    A title that does not occur in the passage is put before it: "Title: text".
    """
    name = loose_words(base_title(passage.title), passage.language)
    if not name or has_sequence(loose_words(passage.text, passage.language), name):
        return passage.text, 0
    prefix = passage.title + _AFTER_TITLE.get(passage.language, ": ")
    return prefix + passage.text, len(prefix)


def too_short(passage: Passage) -> bool:
    """Whether a passage has too few words (in Chinese: characters) for a task."""
    if passage.language == "zh":
        return len(surface("zh").findall(passage.text)) < SHORTEST
    return len(passage.text.split()) < SHORTEST


def usable_spans(
    passage: Passage,
    spans: Sequence[Span],
    refused: Counter[str] | None = None,
    checks: Collection[str] = RULES,
) -> list[Span]:
    """Returns the spans that may be masked, alone or with others (offsets in the passage's text).

    The function adds refused spans by reason to `refused`. `checks` names the rules of `RULES` that apply.
    Always refused are spans that cut a word, unspecific spans (stop words, a single letter), and spans that
    name the title.
    """
    if not spans or too_short(passage):
        return []
    text, shift = shown_text(passage)
    if MASK in text:
        return []
    shown = ShownText(text, passage.title, passage.language)
    kept: list[Span] = []
    answers: list[set[str]] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end, span.category)):
        start, end = span.start + shift, span.end + shift
        words = set(shown.span_words(start, end))
        if kept and span.start < kept[-1].end:
            reason = "overlaps another"
        else:
            reason = refusal(shown, start, end, checks)
        # One answer must not be part of another, because the fill of one mask would then show the other
        # answer.
        overlapping = any(words <= other or other <= words for other in answers)
        if not reason and NOT_INFERABLE in checks and overlapping:
            reason = "stands elsewhere in the text"
        if reason:
            if refused is not None:
                refused[reason] += 1
            continue
        kept.append(span)
        answers.append(words)
    return kept


def refusal(shown: ShownText, start: int, end: int, checks: Collection[str] = RULES) -> str:
    """Returns the reason not to mask text[start:end] of a shown text, or an empty string."""
    text, language = shown.text, shown.language
    words = shown.span_words(start, end)
    if not words or not at_boundaries(text, start, end, language):
        return "inside a word"
    if not shown.is_specific(words):
        return "says nothing"
    if shown.overlaps_title(words) or (NOT_INFERABLE in checks and shown.is_inferable_from_title(words)):
        return "known from the title"
    first, last = shown.within(start, end)
    if UNIQUE in checks and shown.repeats(words, first, last):
        return "stands elsewhere in the text"
    if NOT_INFERABLE in checks and shown.is_inferable(words, first, last):
        return "its words stand elsewhere in the text"
    if NOT_INFERABLE in checks and _has_other_form_beside(text, start, end, language):
        return "stands beside itself in another form"
    if NOT_INFERABLE in checks and shown.has_other_form(start, end):
        return "stands elsewhere in another form"
    return "" if shown.asks_something(first, last) else "leaves nothing to ask"


def most_masks(passage: Passage, spans: Sequence[Span]) -> int:
    """Returns how many usable spans can be masked together: any two need a word between them."""
    return len(spread(passage.text, spans))


def mask_passage(
    passage: Passage, spans: Sequence[Span], k: int, rng: Random, preference: Preference | None = None
) -> MaskedTask | None:
    """Makes a task with exactly k masks, drawn without replacement from usable `spans` (see `usable_spans`).

    Returns None if the passage has no k spans with a word between any two, or if fewer than SHORTEST words
    would stay visible. The masked text with its answers filled in equals `task.original`.
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


def _has_other_form_beside(text: str, start: int, end: int, language: str) -> bool:
    """Whether an acronym, a long form, a translation or a conversion of text[start:end] is next to it."""
    if language == "zh":
        text = text.translate(_HALF_WIDTH)
        return _is_translated(text, start, end) or _is_converted(
            text, start, end, _CONVERSION_AFTER_ZH, _CONVERSION_BEFORE_ZH
        )
    return (
        _has_translation_beside(text, start, end)
        or _is_acronym(text, start, end)
        or _is_spelled_out(text, start, end, language)
        or _is_converted(text, start, end)
    )


# Letters other than Latin ones.
_OTHER_SCRIPT = r"[^\W\d_A-Za-z\u00aa-\u024f\u1e00-\u1eff]"
_TRANSLATION_AFTER = re.compile(
    rf"[\"”’»]?\s\((?:[^()]{{0,60}}?{_OTHER_SCRIPT}{{2}}|(?:[a-z]+\s)?[A-Z]\w+(?:\s\w+)?:\s|lit\.|or\s[A-Z])"
)
_SPELLED_BEFORE = re.compile(r"\b(?:spelled|spelt|romani[sz]ed|transliterated)\s(?:as\s)?[\"“‘]?$")
_TRANSLATION_BEFORE = re.compile(r"\((?:[^()]{0,60}[;,]\s)?(?:(?:in\s)?[A-Z]\w+(?:\s\w+)?:\s)[\"“‘]?$")


def _has_translation_beside(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is a name with its form in another script or language in parentheses after it,
    or is this form: "Moscow (Russian: Москва)", "Kyoto (京都)", "Vienna (German: Wien)"."""
    before = text[max(0, start - 24) : start]
    if any(word in before for word in ("spel", "roman", "transl")) and _SPELLED_BEFORE.search(before):
        return True
    if text.find("(", max(0, start - 100), end + 3) < 0:
        return False
    return bool(
        _TRANSLATION_AFTER.match(text, end)
        or _TRANSLATION_BEFORE.search(text, max(0, start - 100), start)
        or (text.endswith("(", 0, start) and re.match(_OTHER_SCRIPT, text[start:]))
    )


_HALF_WIDTH = str.maketrans("（）", "()")


def _is_acronym(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is an acronym in parentheses after its long form."""
    piece = text[start:end]
    bare = piece.replace(".", "").replace("-", "").replace("&", "")
    return (
        text.endswith("(", 0, start)
        and len(piece) > 1
        and bare.isalnum()
        and piece.upper() == piece
        and not piece[0].isdigit()
    )


def _is_spelled_out(text: str, start: int, end: int, language: str) -> bool:
    """Whether text[start:end] is a long form followed by its acronym in parentheses."""
    follow = _ACRONYM.match(text, end)
    if not follow:
        return False
    words = re.findall(r"[^\W_]+", text[start:end])
    if len(words) > 1 and follow[1].isupper() and text.startswith(")", follow.end()):
        return True  # "International System of Units (SI)"
    forms = {"".join(word[0] for word in words if word[0].isupper())}
    if language in ("es", "fr"):  # "Organisation des Nations unies (ONU)"
        forms.add("".join(word[0] for word in words if word.casefold() not in stop_words(language)))
    return follow[1].upper() in {form.upper() for form in forms if form}


def _is_translated(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is a Chinese name followed by its foreign form in parentheses, or is this
    foreign form."""
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
    """Whether the span is a quantity next to its conversion to another unit: `422,000 km2 (163,000 sq mi)`.

    A year in parentheses is not a conversion.
    """
    if not any(char.isdigit() for char in text[start:end]):
        return False
    return bool(after.match(text, end) or before.search(text[max(0, start - 40) : start]))
