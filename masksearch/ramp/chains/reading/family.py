"""Relatives of a sentence's subject.

X is the son of Y, X, daughter of Y and Z, was ...      what Y is to X, by the noun
his father was Y, her husband Y                         a noun with a possessive pronoun that means X
X married Y, was born to Y and Z                        a verb
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from masksearch.ramp.chains.reading.values import LONGEST, Value, of_phrase, of_preposition
from masksearch.ramp.chains.records import Relation

ROLES = {
    **dict.fromkeys(("son", "daughter", "child"), "parent"),
    **dict.fromkeys(("brother", "sister", "sibling"), "sibling"),
    **dict.fromkeys(("wife", "husband", "spouse", "widow", "widower"), "spouse"),
    **dict.fromkeys(("father", "mother"), "child"),
}
"""Noun of "X is the NOUN of Y" -> what Y is to X."""
OWN = {
    **dict.fromkeys(("father", "mother"), "parent"),
    **dict.fromkeys(("brother", "sister"), "sibling"),
    **dict.fromkeys(("wife", "husband"), "spouse"),
    **dict.fromkeys(("son", "daughter"), "child"),
}
"""Noun of "his NOUN was Y" -> what Y is to him."""
PARTNERS = {"wife": "mother", "husband": "father"}
"""What the other parent is called beside the first one -> what it is to the child."""
NEAR = 25
"""Number of tokens after "son of" in which the other parent may be named."""
_BESIDE = ("attr", "appos", "oprd", "npadvmod", "advcl", "acl", "conj", "dep", "relcl")
"""Dependencies by which a noun that says what a subject is hangs on the rest of its sentence."""
RANKS = frozenset(
    """king queen emperor empress duke duchess count countess prince princess earl lord margrave
    landgrave elector baron marquess archduke viscount tsar sultan grand""".split()  # noqa: SIM905
)
_NUMERAL = re.compile(r"[IVX]+")
Stated = tuple[Relation, Value]


def relatives(sentence: Any, subject: Any) -> Iterator[Stated]:
    """Yields the relatives of a sentence's subject. `subject` is the token that names it.

    The relation's word is what the value is to the subject. With the preposition "of" its `shown` is what the
    subject is to the value ("son"), with "poss" what the value is ("father").
    """
    for token in sentence:
        noun = token.lemma_.lower()
        if noun in ROLES and _says_what(token, subject):
            of = (child for child in token.children if child.dep_ == "prep" and child.text.lower() == "of")
            for prep in of:
                other = list(_other_parent(prep, sentence)) if ROLES[noun] == "parent" else []
                known = {value.start for _, value in other}
                values = (value for value in of_preposition(prep) if value.start not in known)
                yield from _persons(ROLES[noun], "of", noun, values, token.doc)
                yield from other
        if noun in OWN and _is_owned(token) and _is_met(token) and _is_clear(token, subject):
            yield from _persons(OWN[noun], "poss", noun, _named(token), token.doc)
    yield from _of_verb(sentence.root)


def _other_parent(prep: Any, sentence: Any) -> Iterator[Stated]:
    """Yields Z of "the son of Y and his wife Z", wherever the parse hangs the wife."""
    for token in prep.doc[prep.i + 1 : min(prep.i + NEAR, sentence.end)]:
        if token.pos_ in ("VERB", "AUX"):
            return
        if token.lemma_.lower() in PARTNERS and _is_owned(token):
            called = PARTNERS[token.lemma_.lower()]
            yield from _persons("parent", "poss", called, _named(token), token.doc)


def _of_verb(verb: Any) -> Iterator[Stated]:
    for child in verb.children:
        to = child.dep_ in ("prep", "dative") and child.text.lower() == "to"
        if verb.lemma_ == "marry" and (to or child.dep_ == "dobj"):
            values = of_preposition(child) if to else of_phrase(child)
            yield from _persons("spouse", "of", "", values, verb.doc)
        elif to and verb.text.lower() == "born":
            yield from _persons("parent", "of", "", of_preposition(child), verb.doc)


def of_owned_subject(subject: Any) -> Iterator[Stated]:
    """Yields the relative in "His father was Y", whose grammatical subject is the relative."""
    noun = subject.lemma_.lower()
    if noun in OWN and _is_owned(subject):
        found = list(_named(subject))
        if not found and subject.head.lemma_ == "be":
            attributes = (child for child in subject.head.children if child.dep_ == "attr")
            found = [value for child in attributes for value in of_phrase(child)]
        yield from _persons(OWN[noun], "poss", noun, found, subject.doc)


def _persons(role: str, prep: str, noun: str, values: Iterable[Value], doc: Any) -> Iterator[Stated]:
    for value in values:
        whole = _whole_name(doc, value) if value.kind == "PERSON" else None
        if whole is not None:
            yield Relation("relative", role, prep, "past", noun), whole


def _says_what(token: Any, subject: Any) -> bool:
    """Whether a noun says what the subject is: no other person stands between them in the parse."""
    while token.dep_ in _BESIDE and token.head != token:
        token = token.head
        if token == subject:
            return True
        if token.ent_type_ == "PERSON":
            return False
    return bool(token.dep_ == "ROOT")


def _is_clear(token: Any, subject: Any) -> bool:
    """Whether "his" can mean the subject alone: it names the only person before the noun."""
    before = [entity for entity in token.sent.ents if entity.label_ == "PERSON" and entity.end <= token.i]
    return all(entity.start <= subject.i < entity.end for entity in before)


def _is_met(token: Any) -> bool:
    """Whether the sentence's own verb has the relative as its object: "he married his cousin Y", "he lives
    with his wife, Y". In "son of Z by his wife Y" it does not."""
    head = token.head
    return bool(
        head.dep_ == "ROOT" or (head.dep_ == "prep" and head.text == "with" and head.head.dep_ == "ROOT")
    )


def _is_owned(token: Any) -> bool:
    return any(child.dep_ == "poss" and child.text.lower() in ("his", "her") for child in token.children)


def _named(token: Any) -> Iterator[Value]:
    """Yields the name beside a noun: "his father, Y", "his wife Y"."""
    for child in token.children:
        if child.dep_ == "appos":
            yield from of_phrase(child)
            return


def _whole_name(doc: Any, value: Value) -> Value | None:
    """Returns a name with the land or rank that belongs to it: "Henry II, Count of Champagne".

    None if the name begins earlier, goes on in another way, or is too long.
    """
    first, end = doc[value.start], value.end
    before = doc[value.start - 1] if value.start else None
    if not first.text[:1].isupper() or (
        before is not None and before.pos_ == "PROPN" and not _is_rank(before)
    ):
        return None
    texts = [token.text for token in doc[end : end + 3]] + ["", "", ""]
    if _NUMERAL.fullmatch(texts[0]):
        return None
    ranked = 2 if texts[1].lower() in RANKS else 3 if texts[2].lower() in RANKS else 0
    if texts[0] == "," and ranked:
        end += ranked
    elif texts[0] == "," and _NUMERAL.fullmatch(doc[end - 1].text) and texts[1][:1].isupper():
        return None
    land = _land(doc, end)
    if land == end > value.end:
        return None
    return replace(value, end=land) if land - value.start <= LONGEST else None


def _is_rank(token: Any) -> bool:
    return token.text.lower() in RANKS or token.text.lower().rstrip(".") in ("sir", "lady", "dr", "general")


def _land(doc: Any, end: int) -> int:
    """Returns the end of "of LAND" after a name; `end` if there is none."""
    texts = [token.text for token in doc[end : end + 3]] + ["", "", ""]
    if texts[0] != "of" or not (texts[1][:1].isupper() or (texts[1] == "the" and texts[2][:1].isupper())):
        return end
    end += 3 if texts[1] == "the" else 2
    while end < len(doc) and (doc[end].pos_ == "PROPN" or doc[end].text == "-"):
        end += 1
    return end
