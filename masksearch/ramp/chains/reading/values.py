"""Values of facts: entities that a parsed sentence relates to its subject, whole and without quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NAMES = frozenset(
    """PERSON ORG GPE LOC FAC WORK_OF_ART EVENT PRODUCT NORP""".split()  # noqa: SIM905
)
"""Entity labels whose spans are names."""
LONGEST = 8
"""Maximum number of words of a value."""
_YEAR = re.compile(r"(?:1[0-9]|20)\d\d")
_PARTICLES = frozenset(
    """de da do dos del della di du van von der den al el bin ibn la le""".split()  # noqa: SIM905
)
_WHOLE = re.compile(r"[\w$€£].*[\w.)]|\w", re.DOTALL)


@dataclass(frozen=True)
class Value:
    """A value in a parsed text: tokens [start, end), and its kind."""

    start: int
    end: int
    kind: str
    noun: str = ""
    """The common noun right before it, which names its kind ("drama series")."""


def of_preposition(prep: Any) -> Iterator[Value]:
    """Yields the entities that a preposition governs."""
    for child in prep.children:
        if child.dep_ == "pobj":
            yield from of_phrase(child)


def of_phrase(token: Any) -> Iterator[Value]:
    """Yields the entity whose root a token is, or that stands in apposition to it; then its conjuncts'."""
    found = _entity(token)
    if found is None:
        named = (
            child for child in token.children if child.dep_ in ("appos", "compound") and child.i > token.i
        )
        found = next((entity for child in named if (entity := _entity(child)) is not None), None)
    if found is not None:
        yield found
    for child in token.children:
        if child.dep_ == "conj":
            yield from of_phrase(child)


def _entity(token: Any) -> Value | None:
    """Returns the entity that a token is the root of; None for no entity, or for a part of a longer name."""
    for entity in token.doc.ents:
        if entity.start <= token.i < entity.end and entity.root == token:
            return _value(entity)
    return None


def _value(entity: Any) -> Value | None:
    doc, start, end, kind = entity.doc, entity.start, entity.end, entity.label_
    first = doc[start].text.lower()
    if first in ("a", "an") or (first == "the" and kind != "WORK_OF_ART"):
        start += 1
    if end - start > 1 and doc[end - 1].text in ("'s", "’s"):
        end -= 1
    if start >= end or end - start > LONGEST:
        return None
    text = doc[start:end].text
    if not _WHOLE.fullmatch(text) or (kind in NAMES and _is_part(doc, start, end)):
        return None
    if kind == "PERSON" and end - start < 2:
        return None
    if kind == "DATE" and _YEAR.fullmatch(text):
        kind = "YEAR"
    return Value(start, end, kind, _noun_before(doc, start))


def _is_part(doc: Any, start: int, end: int) -> bool:
    """Whether a name goes on beyond its edges: "[Washington], D.C.", "Sheffield [Wednesday]"."""
    before, after = (doc[start - 1] if start else None), (doc[end] if end < len(doc) else None)
    if before is not None and before.pos_ == "PROPN" and before.ent_type_ == doc[start].ent_type_:
        return True
    if after is None:
        return False
    if after.pos_ == "PROPN" or after.text in ("&", "–", "-", "/"):
        return True
    further = doc[end + 1] if end + 1 < len(doc) else None
    if after.text in _PARTICLES and further is not None and further.text[:1].isupper():
        return True
    initials = further is not None and bool(re.fullmatch(r"(?:[A-Z]\.)+|Jr\.?|Sr\.?", further.text))
    return after.text == "," and initials


def _noun_before(doc: Any, start: int) -> str:
    """Returns the common nouns right before a name in its own noun phrase: "the [drama series] Charmed"."""
    words = nouns_before(doc, start)
    return " ".join(words) if words and len(words) <= 3 else ""


def nouns_before(doc: Any, end: int) -> list[str]:
    """Returns the common nouns that end right before a token, without the second half of a compound with a
    hyphen ("self-[help]")."""
    first = end
    while first > 0 and doc[first - 1].pos_ == "NOUN" and doc[first - 1].ent_type_ == "":
        first -= 1
    if first > 0 and doc[first - 1].text in ("-", "–"):
        first += 1
    words = [token.text.lower() for token in doc[first:end]]
    return words if all(word.isalpha() for word in words) else []
