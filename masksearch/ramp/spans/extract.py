"""From what extractors find to spans that may be masked: trimmed, at word boundaries, one where several overlap.

Extractors are a dict of name to dotted path, imported when they are first used. Each module has `make(settings) -> Extractor`: a
function of passages (their language and links with them) that yields the spans of each in turn, or a `Failure` where a passage
could not be worked. What is found in a passage depends on that passage alone, never on its neighbours.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from masksearch.errors import UsageError
from masksearch.ramp.settings import MaskSettings
from masksearch.text.words import SURFACE, at_boundaries
from masksearch.types import Passage, Span


@dataclass(frozen=True)
class Failure:
    """A passage could not be worked for a reason that lies outside it (an endpoint is down); its document is to be set aside and tried again."""

    reason: str


Extractor = Callable[[Sequence[Passage]], Iterator[list[Span] | Failure]]
"""May have an attribute `dropped`, a Counter of the reasons for which it left out spans that it was given (see `dropped_spans`)."""

EXTRACTORS = {
    "ner": "masksearch.ramp.spans.entities",
    "links": "masksearch.ramp.spans.links",
    "dates": "masksearch.ramp.spans.dates",
    "numbers": "masksearch.ramp.spans.numbers",
    "terms": "masksearch.ramp.spans.terms",
    "llm": "masksearch.ramp.spans.llm",
}
MOST_WORDS = 6
MOST_CHARACTERS = 60
MOST_HAN = 20
"""Most characters of a span in Chinese, which has no spaces to count words by."""

# A leading article or possessive is left outside a span ("the [mask]"); outside English only in lower case, for it may belong to the name ("Los Ángeles").
_ARTICLES = {
    "en": r"(?i:the|a|an|its|his|her|their)\s+(?=\S)",
    "es": r"(?:el|la|los|las|lo|un|una|unos|unas|su|sus|del|al)\s+(?=\S)",
    "fr": r"(?:le|la|les|un|une|des|du|aux?|son|sa|ses|leurs?)\s+(?=\S)|[ldLD]['’](?=\S)",
    "zh": r"(?!)",
}
_MARKS = r"""[\s"'“”‘’«»‹›「」『』《》〈〉,;:.!?()（），。、；：！？\[\]–—-]"""
_LEADING = {language: re.compile(rf"(?:{_MARKS}+|{article})+") for language, article in _ARTICLES.items()}
_TRAILING = re.compile(r"""(?:['’]s\b|[\s"'“”‘’«»‹›「」『』《》〈〉,;:.!?(（，。、；：！？\[\]–—-])+$""")
_HAN = re.compile(r"[\u3400-\u9fff]")
# Words a span neither begins nor ends with: it was cut short by the extractor ("Indian Rebellion of").
_JOINING = {
    "en": "of and or in at on for to by with from as the a an",
    "es": "de del y e o u en el la los las a al con por para que su un una",
    "fr": "de du des d l et ou en le la les à au aux dans par pour avec sur un une qui que",
    "zh": "的 和 与 在 是 了 及 或",
}
_LINKS = {language: frozenset(words.split()) for language, words in _JOINING.items()}
# Of two spans at the very same place, the one that says more of what it is: names, then dates and figures, then the rest.
_RANKS = {"DATE": 1, "NUMBER": 2, "TERM": 3, "LINK": 4, "OTHER": 5}
_FIGURE = re.compile(r"[\d.,\s]+")


def make_extractors(settings: MaskSettings) -> list[Extractor]:
    """The extractors that the settings name, in their order. Raises UsageError listing the names there are, MissingExtraError."""
    return [extractor(name, settings) for name in dict.fromkeys(settings.extractors)]


def extractor(name: str, settings: MaskSettings) -> Extractor:
    """The extractor of that name. Raises UsageError, listing the names there are."""
    if name not in EXTRACTORS:
        raise UsageError(f"There is no extractor '{name}'; choose from {', '.join(EXTRACTORS)}.")
    made: Extractor = importlib.import_module(EXTRACTORS[name]).make(settings)
    return made


def language_of(passage: Passage, settings: MaskSettings) -> str:
    """The passage's own language, else the setting."""
    return passage.language or settings.language


def by_text(find: Callable[[str, str], list[Span]], settings: MaskSettings) -> Extractor:
    """An extractor that looks at nothing but a passage's text and language."""

    def extract(passages: Sequence[Passage]) -> Iterator[list[Span]]:
        for passage in passages:
            yield find(passage.text, language_of(passage, settings))

    return extract


def extract_spans(
    passages: Sequence[Passage], extractors: Sequence[Extractor], default_language: str = "en"
) -> Iterator[list[Span] | Failure]:
    """The spans of each passage that could be masked, by all the extractors, in text order, without overlaps; or why there are none to be had.

    `default_language` is that of passages that do not name their own.
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
        yield failure or resolve(passage.text, spans, passage.language or default_language)


def dropped_spans(extractors: Iterable[Extractor]) -> Counter[str]:
    """Why spans that extractors were given (by a model) were left out, so far."""
    total: Counter[str] = Counter()
    for extract in extractors:
        total.update(getattr(extract, "dropped", {}))
    return total


def resolve(text: str, spans: Iterable[Span], language: str = "en") -> list[Span]:
    """Trims, drops what is not usable, and of spans that overlap keeps the finest-grained: the shortest.

    One find is no span at all where it lies within a longer one: a bare figure. The 11 of "Apollo 11", the 747 of "Boeing 747" and the 1776 of
    "4 July 1776" are parts of a name or a date, not quantities; taken for themselves they would tear every such span apart.
    """
    found: dict[tuple[int, int], Span] = {}
    for span in spans:
        start, end = bounds(text, span.start, span.end, language)
        if _usable(text, start, end, language):
            other = found.get((start, end))
            if other is None or _rank(span) < _rank(other):
                found[start, end] = (
                    span
                    if start == span.start and end == span.end
                    else Span(start=start, end=end, category=span.category)
                )
    if len(found) < 2:
        return list(found.values())
    kept: list[Span] = []
    # The shortest first; what is kept stays in text order, so that only neighbours need to be looked at.
    places = sorted(found, key=lambda place: (place[1] - place[0], place))
    for start, end in places:
        if any(span.start < end and start < span.end for span in kept):
            continue
        span = found[start, end]
        if span.category == "NUMBER" and _FIGURE.fullmatch(text, start, end) and _is_part(start, end, places):
            continue
        kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _is_part(start: int, end: int, places: Iterable[tuple[int, int]]) -> bool:
    return any(first <= start and end <= last and last - first > end - start for first, last in places)


def _rank(span: Span) -> tuple[int, str]:
    return _RANKS.get(span.category, 0), span.category


def trim(text: str, span: Span, language: str = "en") -> Span:
    """Without a leading article, surrounding quotes and punctuation, and a trailing 's."""
    start, end = bounds(text, span.start, span.end, language)
    return Span(start=start, end=end, category=span.category)


def bounds(text: str, start: int, end: int, language: str = "en") -> tuple[int, int]:
    """Where the span text[start:end] begins and ends once trimmed."""
    leading = _LEADING.get(language, _LEADING["en"]).match(text, start, end)
    if leading:
        start = leading.end()
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
    """`U.S.`, `Martin Luther King Jr.`, `44 a. C.` and `52 av. J.-C.` end in a full stop of their own."""
    return bool(re.search(r"(?:\b[^\W\d_]\.[\s-]?){2,}$|\b(?:Jr|Sr|Inc|Ltd|Co|Corp)\.$", piece))


def usable(text: str, span: Span, language: str = "en") -> bool:
    """1 to 6 words, at most 60 characters (20 in Chinese), balanced parentheses, not inside a word, no mask."""
    return _usable(text, span.start, span.end, language)


def _usable(text: str, start: int, end: int, language: str) -> bool:
    piece = text[start:end]
    if not 0 < len(piece) <= MOST_CHARACTERS or piece[0].isspace() or piece[-1].isspace():
        return False
    if not piece.isalnum() and (
        "[" in piece or "]" in piece or piece.count("(") != piece.count(")") or piece.count('"') % 2
    ):
        return False
    if language == "zh" and len(_HAN.findall(piece)) > MOST_HAN:
        return False
    words = SURFACE.findall(piece)
    joining = _LINKS.get(language, _LINKS["en"])
    if not words or words[0] in joining or words[-1] in joining:
        return False
    if language != "zh" and len(words) > MOST_WORDS:
        return False
    return at_boundaries(text, start, end, language)
