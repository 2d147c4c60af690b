"""From what extractors find to spans that may be masked: trimmed, at word boundaries, one where several overlap.

Extractors are a dict of name to dotted path, imported when they are first used; an extractor is a function
`extract(texts: Sequence[str]) -> Iterator[list[Span]]`, one list a text.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from masksearch.errors import UsageError
from masksearch.ramp.words import SURFACE, at_boundaries
from masksearch.types import Span

Extractor = Callable[[Sequence[str]], Iterator[list[Span]]]

EXTRACTORS = {
    "ner": "masksearch.ramp.entities:extract",
    "dates": "masksearch.ramp.dates:extract",
    "numbers": "masksearch.ramp.numbers:extract",
}
MOST_WORDS = 6
MOST_CHARACTERS = 60

_LEADING = re.compile(r"""(?:[\s"'“”‘’«»,;:.!?()\[\]–—-]+|(?:the|a|an|its|his|her|their)\s+(?=\S))+""", re.IGNORECASE)
_TRAILING = re.compile(r"""(?:['’]s\b|[\s"'“”‘’«»,;:.!?(\[\]–—-])+$""")
_LINKS = frozenset({"of", "and", "or", "in", "at", "on", "for", "to", "by", "with", "from", "as", "the", "a", "an"})
# Where spans overlap: names before dates before figures ("Apollo 11" is no number), then the finer-grained.
_RANKS = {"DATE": 1, "NUMBER": 2}


def extractor(name: str) -> Extractor:
    """The extractor of that name. Raises UsageError, listing the names there are."""
    if name not in EXTRACTORS:
        raise UsageError(f"There is no extractor '{name}'; choose from {', '.join(EXTRACTORS)}.")
    module, _, function = EXTRACTORS[name].partition(":")
    found: Extractor = getattr(importlib.import_module(module), function)
    return found


def extract_spans(texts: Sequence[str], names: Sequence[str]) -> Iterator[list[Span]]:
    """The spans of each text that could be masked, by all the named extractors, in text order, without overlaps."""
    for text, *lists in zip(texts, *(extractor(name)(texts) for name in names), strict=True):
        yield resolve(text, (span for spans in lists for span in spans))


def resolve(text: str, spans: Iterable[Span]) -> list[Span]:
    """Trims, drops what is not usable, and keeps one of each overlap."""
    trimmed = {span for span in (trim(text, span) for span in spans) if usable(text, span)}
    kept: list[Span] = []
    for span in sorted(trimmed, key=lambda s: (_RANKS.get(s.category, 0), s.end - s.start, s.start, s.category)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def trim(text: str, span: Span) -> Span:
    """Without a leading article, surrounding quotes and punctuation, and a trailing 's."""
    start, end = span.start, span.end
    leading = _LEADING.match(text, start, end)
    if leading:
        start = leading.end()
    trailing = _TRAILING.search(text[:end], start)
    if trailing and not _keeps_full_stop(text[start:end]):
        end = trailing.start()
    if text[start:end].count("(") < text[start:end].count(")") and text[end - 1 : end] == ")":
        end -= 1
    return Span(start=start, end=max(start, end), category=span.category)


def _keeps_full_stop(piece: str) -> bool:
    """`U.S.` and `Martin Luther King Jr.` end in a full stop of their own."""
    return bool(re.search(r"(?:\b[^\W\d_]\.){2,}$|\b(?:Jr|Sr|Inc|Ltd|Co|Corp)\.$", piece))


def usable(text: str, span: Span) -> bool:
    """1 to 6 words, at most 60 characters, balanced parentheses, not inside a word, no mask."""
    piece = text[span.start : span.end]
    if not 0 < len(piece) <= MOST_CHARACTERS or piece != piece.strip() or "[" in piece or "]" in piece:
        return False
    if piece.count("(") != piece.count(")") or piece.count('"') % 2:
        return False
    words = SURFACE.findall(piece)
    if words and (words[0] in _LINKS or words[-1] in _LINKS):  # cut short by the extractor: "Indian Rebellion of"
        return False
    return 1 <= len(words) <= MOST_WORDS and at_boundaries(text, span.start, span.end)
