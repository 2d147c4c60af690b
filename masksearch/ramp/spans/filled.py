"""Adds terms to the names of passages in which the extractor `ner` finds few names, as in manuals."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.code import WORDS, is_technical
from masksearch.ramp.spans.extract import Extractor, Failure, extractor, language_of, resolve
from masksearch.ramp.spans.terms import is_verb
from masksearch.types import Passage, Span

RARITY_OF_PROSE = 3.0
"""`rarity` of the terms that are added to passages other than technical prose."""


class FilledExtractor:
    """The extractor `ner`, to whose spans `terms` adds its own where a passage has few names."""

    def __init__(self, extract: Extractor, settings: MaskSettings) -> None:
        self._extract, self._settings = extract, settings
        rare = settings.model_copy(update={"rarity": min(settings.rarity, RARITY_OF_PROSE)})
        self._terms = extractor("terms", settings)
        self._rare_terms = extractor("terms", rare)
        self.filled = 0
        """Number of passages so far that `terms` has added spans to."""

    def __call__(self, passages: Sequence[Passage]) -> Iterator[list[Span] | Failure]:
        for passage, found in zip(passages, self._extract(passages), strict=True):
            if isinstance(found, Failure) or not self._has_few(passage, found):
                yield found
                continue
            (terms,) = (self._terms if is_technical(passage.text) else self._rare_terms)([passage])
            added = (
                [] if isinstance(terms, Failure) else [one for one in terms if not _is_plain(passage, one)]
            )
            self.filled += bool(added)
            yield [*found, *added]

    def _has_few(self, passage: Passage, found: Sequence[Span]) -> bool:
        """Whether a passage has few usable names, or is technical prose, in which most names are labels."""
        language = language_of(passage, self._settings)
        if language == "zh" and importlib.util.find_spec("jieba") is None:
            return False
        if not found or is_technical(passage.text):
            return True
        names = resolve(passage.text, found, language)
        return len(names) < self._settings.terms_where_few


def _is_plain(passage: Passage, term: Span) -> bool:
    """Whether a term is a verb, starts with one ("navigates fresh"), or is a common word of manuals."""
    if passage.language not in ("", "en"):
        return False
    *before, last = passage.text[term.start : term.end].lower().split()
    if before:
        return any(word.endswith("s") and is_verb(word) for word in before)
    return last in WORDS or (last.isalpha() and is_verb(last))
