"""Runs span extractors and cleans the spans they find: trims them, drops halves, resolves overlaps.

`EXTRACTORS` maps the name of an extractor to its module, which is imported at its first use. Each module
defines `make(settings) -> Extractor`. An extractor takes passages (with their language and links) and
yields for each passage its spans, or a `Failure` if the passage could not be processed. The spans of a
passage depend on that passage alone, never on the rest of the batch.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from masksearch.errors import UsageError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.code import code_places
from masksearch.ramp.spans.edges import Place, whole
from masksearch.ramp.spans.frequencies import has_frequencies
from masksearch.runtime.own import is_own, load_own
from masksearch.text.words import SURFACE, at_boundaries
from masksearch.types import Passage, Span


@dataclass(frozen=True)
class Failure:
    """A passage's or task's failure for an external reason, such as an endpoint that is down.

    The document is set aside and retried by a later run.
    """

    reason: str
    """The cause as a sentence, which the error message for the user quotes."""


Extractor = Callable[[Sequence[Passage]], Iterator[list[Span] | Failure]]
"""Yields one result per passage. An extractor may have an attribute `dropped`: a Counter of the
reasons for which it rejected spans (see `dropped_spans`)."""

EXTRACTORS = {
    "ner": "masksearch.ramp.spans.entities",
    "links": "masksearch.ramp.spans.links",
    "dates": "masksearch.ramp.spans.dates",
    "numbers": "masksearch.ramp.spans.numbers",
    "terms": "masksearch.ramp.spans.terms",
    "llm": "masksearch.ramp.spans.llm",
}
"""Name of an extractor -> its module."""
MOST_WORDS = 6
"""Maximum number of words of a span, except in Chinese."""
MOST_CHARACTERS = 60
"""Maximum number of characters of a span."""
MOST_HAN = 20
"""Maximum number of Chinese characters of a span in Chinese, which has no spaces between words."""

# A leading article or possessive is cut off a span, so that it stays visible ("the [mask]"). In other
# languages than English only a lower-case article is cut off: "Los Ángeles" is a name with its article.
_ARTICLES = {
    "en": r"(?i:the|a|an|its|his|her|their)\s+(?=\S)",
    "es": r"(?:el|la|los|las|lo|un|una|unos|unas|su|sus|del|al)\s+(?=\S)",
    "fr": r"(?:le|la|les|un|une|des|du|aux?|son|sa|ses|leurs?)\s+(?=\S)|[ldLD]['’](?=\S)",
    "zh": r"(?!)",
}
# The dash before a figure is its sign.
_MARKS = r"""(?:[\s"'“”‘’«»‹›「」『』《》〈〉,;:.!?()（），。、；：！？\[\]—]|[–-](?!\d))"""
_LEADING = {language: re.compile(rf"(?:{_MARKS}+|{article})+") for language, article in _ARTICLES.items()}
# A span that starts with a letter or figure not listed here has neither a mark nor an article to cut off.
_ARTICLE_STARTS = {"en": "taihTAIH", "es": "elusd", "fr": "ludasLD", "zh": ""}
_TRAILING = re.compile(r"""(?:['’]s\b|[\s"'“”‘’«»‹›「」『』《》〈〉,;:.!?(（，。、；：！？\[\]–—-])+$""")
_HAN = re.compile(r"[\u3400-\u9fff]")
# A span that starts or ends with one of these words was cut short by its extractor ("Indian Rebellion of").
_JOINING = {
    "en": "of and or in at on for to by with from as the a an",
    "es": "de del y e o u en el la los las a al con por para que su un una",
    "fr": "de du des d l et ou en le la les à au aux dans par pour avec sur un une qui que",
    "zh": "的 和 与 在 是 了 及 或",
}
_JOINING_WORDS = {language: frozenset(words.split()) for language, words in _JOINING.items()}
# Of two spans at the same place, the one whose category has the lower rank is kept: a name (rank 0), then a
# date or figure, then the rest.
_RANKS = {"DATE": 1, "NUMBER": 2, "TERM": 3, "LINK": 4, "OTHER": 5}
_FIGURE = re.compile(r"[\d.,\s]+")
# Categories of spans that are names; a span inside a name is no span.
_UNNAMED = frozenset({"DATE", "NUMBER", "OTHER"})
_LATIN_LANGUAGES = frozenset({"en", "es", "fr"})
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")


def make_extractors(settings: MaskSettings) -> list[Extractor]:
    """Builds the extractors of `settings.extractors`, in this order.

    Raises UsageError for an unusable setting, and MissingExtraError without a package that is needed.
    """
    names = list(dict.fromkeys(settings.extractors))
    made = [extractor(name, settings) for name in names]
    if "ner" in names and "terms" not in names and settings.terms_where_few and has_frequencies():
        place = names.index("ner")
        filled = importlib.import_module("masksearch.ramp.spans.filled")
        made[place] = filled.FilledExtractor(made[place], settings)
    return made


def extractor(name: str, settings: MaskSettings) -> Extractor:
    """Builds the extractor of this name. Raises UsageError for an unknown name."""
    if is_own(name):
        return own_extractor(load_own(name), settings)
    if name not in EXTRACTORS:
        raise UsageError(f"There is no extractor '{name}'; choose from {', '.join(EXTRACTORS)}.")
    extract: Extractor = importlib.import_module(EXTRACTORS[name]).make(settings)
    return extract


def filled_passages(extractors: Iterable[Extractor]) -> int:
    """Returns the number of passages so far to which `terms` has added spans."""
    return sum(getattr(one, "filled", 0) for one in extractors)


def language_of(passage: Passage, settings: MaskSettings) -> str:
    """Returns the passage's language, or the default of the settings."""
    return passage.language or settings.language


def by_text(find: Callable[[str, str], list[Span]], settings: MaskSettings) -> Extractor:
    """Builds an extractor from a function `find(text, language)` that returns the spans of one text."""

    def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
        for passage in passages:
            yield find(passage.text, language_of(passage, settings))

    return extract


def own_extractor(find: Callable[..., Iterable[Span | Sequence[Any]]], settings: MaskSettings) -> Extractor:
    """Builds an extractor from the user's own function `find(text)` or `find(text, language)`.

    The function returns spans, as Span or as (start, end, category).
    """
    both = len(inspect.signature(find).parameters) > 1

    def spans(text: str, language: str) -> list[Span]:
        found = find(text, language) if both else find(text)
        return [one if isinstance(one, Span) else _as_span(one) for one in found]

    return by_text(spans, settings)


def _as_span(values: Sequence[Any]) -> Span:
    start, end, *category = values
    return Span(start=start, end=end, category=str(category[0]) if category else "OTHER")


def extract_spans(
    passages: Sequence[Passage],
    extractors: Sequence[Extractor],
    default_language: str = "en",
    code: bool = False,
) -> Iterator[list[Span] | Failure]:
    """Yields per passage its spans, in text order and without overlaps, or the first extractor's Failure.

    `default_language` applies to passages that do not name their language. `code`: keeps spans inside code.
    """
    if not extractors:
        yield from ([] for _ in passages)
        return
    for passage, *lists in zip(passages, *(extract(passages) for extract in extractors), strict=True):
        spans: list[Span] = []
        failure: Failure | None = None
        for found in lists:
            if isinstance(found, Failure):
                failure = failure or found
            else:
                spans += found
        if spans and not code:
            spans = _outside(spans, code_places(passage.text))
        yield failure or resolve(passage.text, spans, passage.language or default_language)


def _outside(spans: list[Span], places: Sequence[Place]) -> list[Span]:
    """Returns the spans that overlap none of the places."""
    if not places:
        return spans
    return [span for span in spans if not any(span.start < end and start < span.end for start, end in places)]


def dropped_spans(extractors: Iterable[Extractor]) -> Counter[str]:
    """Returns, by reason, the number of spans that the extractors have rejected so far."""
    total: Counter[str] = Counter()
    for extract in extractors:
        total.update(getattr(extract, "dropped", {}))
    return total


def resolve(text: str, spans: Iterable[Span], language: str = "en") -> list[Span]:
    """Trims spans, drops unusable spans and halves (see `edges.whole`), and resolves overlaps.

    A span inside a longer name is dropped, even if the name itself is unusable: the Michigan of "University
    of Michigan" is only a part of a name. The same holds for a figure inside a date, and for a bare figure
    inside any longer span ("Apollo 11"). Of other overlapping spans the shortest is kept.
    """
    found: dict[Place, Span] = {}
    covers: set[Place] = set()
    for span in spans:
        start, end = _trim(text, span.start, span.end, language)
        if start >= end:
            continue
        if _covers_parts(text, start, end, span.category):
            covers.add((start, end))
        if not _is_usable(text, start, end, language):
            continue
        place = whole(text, start, end, span.category, language)
        if place is None or (place != (start, end) and not _is_usable(text, *place, language)):
            continue
        other = found.get(place)
        if other is None or _rank(span) < _rank(other):
            unchanged = place == (span.start, span.end)
            found[place] = span if unchanged else Span(start=place[0], end=place[1], category=span.category)
    if not found or (len(found) == 1 and len(covers) < 2):
        return list(found.values())
    kept: list[Span] = []
    # The shortest spans come first, so that a longer span that overlaps one of them is dropped.
    places = sorted(found, key=lambda place: (place[1] - place[0], place))
    for start, end in places:
        span = found[start, end]
        if _is_part(start, end, covers):
            continue
        if any(other.start < end and start < other.end for other in kept):
            continue
        if span.category == "NUMBER" and _FIGURE.fullmatch(text, start, end) and _is_part(start, end, places):
            continue
        kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _covers_parts(text: str, start: int, end: int, category: str) -> bool:
    """Whether spans inside text[start:end] are only parts of it: it is a name or a date of several words."""
    if category == "DATE":
        return True
    if category in _UNNAMED or text.find(" ", start, end) < 0:
        return False
    return category != "LINK" or text[start].isupper() or text[start].isdigit()


def _is_part(start: int, end: int, places: Iterable[Place]) -> bool:
    """Whether any of the spans at `places` (offsets) contains [start, end) and is longer."""
    return any(first <= start and end <= last and last - first > end - start for first, last in places)


def _rank(span: Span) -> tuple[int, str]:
    """Sort key of spans with the same offsets: the rank of the category (`_RANKS`), then its name."""
    return _RANKS.get(span.category, 0), span.category


def _trim(text: str, start: int, end: int, language: str) -> tuple[int, int]:
    """Trims text[start:end]: a leading article, surrounding quotes and punctuation, and a trailing 's."""
    known = language if language in _LEADING else "en"
    if start < end and (not text[start].isalnum() or text[start] in _ARTICLE_STARTS[known]):
        leading = _LEADING[known].match(text, start, end)
        start = leading.end() if leading else start
    if (end > start and not text[end - 1].isalnum()) or text.endswith(("'s", "’s"), start, end):
        trailing = _TRAILING.search(text[start:end])
        if trailing:
            last, end = end, start + trailing.start()
            if end < last and text[end] == "." and _keeps_full_stop(text[start : end + 1]):
                end += 1
        piece = text[start:end]
        if piece.endswith((")", "）")) and sum(map(piece.count, "(（")) < sum(map(piece.count, ")）")):
            end -= 1
    return start, max(start, end)


def _keeps_full_stop(piece: str) -> bool:
    """Whether a full stop at the end of `piece`, the text of a span, belongs to the span.

    Examples: `U.S.`, `Martin Luther King Jr.`, `52 av. J.-C.`.
    """
    return bool(re.search(r"(?:\b[^\W\d_]\.[\s-]?){2,}$|\b(?:Jr|Sr|Inc|Ltd|Co|Corp)\.$", piece))


def _is_usable(text: str, start: int, end: int, language: str) -> bool:
    """Whether text[start:end] can be a span.

    A span is in the script of its language. It has 1 to 6 words and at most 60 characters (in Chinese: at
    most 20). Its parentheses and quotes are balanced. It contains no square bracket (and so no mask), does
    not start or end with a joining word, and does not cut a word.
    """
    piece = text[start:end]
    if not 0 < len(piece) <= MOST_CHARACTERS or piece[0].isspace() or piece[-1].isspace():
        return False
    if not piece.isalnum() and (
        "[" in piece or "]" in piece or piece.count("(") != piece.count(")") or piece.count('"') % 2
    ):
        return False
    if language == "zh" and len(_HAN.findall(piece)) > MOST_HAN:
        return False
    if language in _LATIN_LANGUAGES and not piece.isascii() and _is_foreign_script(piece):
        return False
    words = SURFACE.findall(piece)
    joining = _JOINING_WORDS.get(language, _JOINING_WORDS["en"])
    if not words or words[0] in joining or words[-1] in joining:
        return False
    if language != "zh" and len(words) > MOST_WORDS:
        return False
    return at_boundaries(text, start, end, language)


def _is_foreign_script(piece: str) -> bool:
    """Whether most letters of a piece are not Latin: a verb in Hebrew is no name in an English text."""
    letters = sum(map(str.isalpha, piece))
    return 2 * len(_LATIN.findall(piece)) < letters
