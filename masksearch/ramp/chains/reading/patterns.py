"""Patterns of the parse that state a fact about a sentence's subject.

X was directed by Y                     a passive verb with its agent
X is located in Y, was born in Y        a passive verb with a preposition
X attended Y, lives in Y                an active verb with an object or a preposition
X is a film by Y, is the capital of Y   the noun of "is a ...", with a preposition or a participle
X is a Swedish actor                    nationality and noun
X has 300 members                       a number with its noun
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from masksearch.ramp.chains.book.nouns import may_be_human
from masksearch.ramp.chains.reading.family import ROLES
from masksearch.ramp.chains.reading.values import Value, nouns_before, of_phrase, of_preposition
from masksearch.ramp.chains.records import Relation
from masksearch.ramp.chains.wording.lexicon import third_person

WORKS = {
    **dict.fromkeys(
        """film movie documentary album song single EP track soundtrack game""".split(),  # noqa: SIM905
        "release",
    ),
    **dict.fromkeys(
        """novel book poem play essay memoir autobiography comic magazine""".split(),  # noqa: SIM905
        "publish",
    ),
}
"""Noun of a work -> verb of the year before it ("a 1974 film" was released in 1974)."""
_PARTICIPLES = {"release": "released", "publish": "published"}
_LASTING = frozenset(
    """locate base situate headquarter own operate know""".split()  # noqa: SIM905
)
"""Verbs whose participle states the present: "is a company based in ..."."""
_PREPOSITIONS = ("of", "by", "in", "from", "on", "at", "for")
_VOWEL = re.compile(r"(?!uni|use|usu|eu|one|once)[aeiou]|ho(?:ur|nest|nou?r)|heir", re.IGNORECASE)
Stated = tuple[Relation, Value]


@dataclass(frozen=True)
class _Verb:
    """A verb with what its sentence says of it."""

    token: Any
    passive: bool
    tense: str


def subject_of(sentence: Any) -> Any:
    """Returns the grammatical subject of a sentence's main verb, or None."""
    return next((token for token in sentence.root.children if token.dep_ in ("nsubj", "nsubjpass")), None)


def stated(sentence: Any) -> Iterator[Stated]:
    """Yields the relations of a sentence's subject, and their values."""
    yield from _clause(sentence.root)


def _clause(verb: Any) -> Iterator[Stated]:
    tense = _tense(verb)
    if not any(child.dep_ == "neg" for child in verb.children):
        if verb.lemma_ == "be":
            for child in verb.children:
                if child.dep_ == "attr" and child.pos_ in ("NOUN", "PROPN"):
                    yield from _attribute(child, tense)
        else:
            passive = any(child.dep_ in ("auxpass", "nsubjpass") for child in verb.children)
            yield from _arguments(_Verb(verb, passive, tense))
    for child in verb.children:
        if child.dep_ == "conj" and child.pos_ in ("VERB", "AUX") and subject_of_verb(child) is None:
            yield from _clause(child)


def subject_of_verb(verb: Any) -> Any:
    """Returns a verb's own subject, or None."""
    return next((child for child in verb.children if child.dep_ in ("nsubj", "nsubjpass")), None)


def _tense(verb: Any) -> str:
    helpers = (child for child in verb.children if child.dep_ in ("aux", "auxpass"))
    present = any(token.tag_ in ("VBZ", "VBP") for token in (verb, *helpers))
    return "present" if present else "past"


def _attribute(noun: Any, tense: str) -> Iterator[Stated]:
    """Yields what "X is a NOUN ..." states: the noun, nationality, participles, prepositions, year."""
    for head in (noun, *_joined(noun)):
        if head.pos_ == "NOUN" and head.ent_type_ == "":
            relation = Relation("isa", head.lemma_.lower(), "", tense, noun_phrase(head))
            yield relation, Value(_start_of(head), head.i + 1, "NOUN")
    for child in noun.children:
        if child.dep_ in ("amod", "compound", "nmod") and child.ent_type_ == "NORP" and child.i < noun.i:
            before = child.doc[child.i - 1] if child.i else None
            alone = before is None or not (before.text == "-" or before.text[:1].isupper())
            if alone and child.doc[child.i + 1].text != "-":
                yield (
                    Relation("nationality", "nationality", tense=tense),
                    Value(child.i, child.i + 1, "NORP"),
                )
        elif child.dep_ == "acl" and child.tag_ in ("VBN", "VBG"):
            yield from _arguments(_Verb(child, child.tag_ == "VBN", _lasting(child, tense)))
        elif child.dep_ == "relcl" and _is_relative(child):
            passive = any(token.dep_ == "auxpass" for token in child.children)
            yield from _arguments(_Verb(child, passive, _tense(child)))
        elif child.dep_ == "prep" and child.text.lower() in _PREPOSITIONS and not _is_family(noun, child):
            relation = Relation("noun", noun.lemma_.lower(), child.text.lower(), tense, noun_phrase(noun))
            yield from ((relation, value) for value in of_preposition(child))
    yield from _year(noun)


def _start_of(head: Any) -> int:
    """Returns the first token of a noun.

    What a person is has the nouns before it ("[football] player"); other nouns stand alone, so that a drama
    film and a comedy film are both films.
    """
    if not may_be_human(head.lemma_.lower()):
        return int(head.i)
    doc, start = head.doc, head.i - len(nouns_before(head.doc, head.i))
    if start == head.i and start > 1 and doc[start - 1].text == "-" and doc[start - 2].pos_ == "NOUN":
        start -= 2  # "singer-songwriter"
    return int(start)


def _is_family(noun: Any, prep: Any) -> bool:
    """Whether "NOUN of" names a relative, which reading/family.py reads."""
    return noun.lemma_.lower() in ROLES and prep.text.lower() == "of"


def _lasting(verb: Any, tense: str) -> str:
    """Returns the tense of a participle: past, unless its verb lasts or it is a present participle."""
    if verb.tag_ == "VBG":
        return "present"
    return tense if verb.lemma_ in _LASTING else "past"


def _year(noun: Any) -> Iterator[Stated]:
    verb = WORKS.get(noun.lemma_.lower())
    if verb is None:
        return
    for token in noun.doc[max(0, noun.i - 6) : noun.i]:
        if token.ent_type_ == "DATE" and token.text.isdigit() and len(token.text) == 4:
            relation = Relation("passive", verb, "in", "past", _PARTICIPLES[verb])
            yield relation, Value(token.i, token.i + 1, "YEAR")


def _joined(noun: Any) -> Iterator[Any]:
    for child in noun.children:
        if child.dep_ == "conj" and child.pos_ == "NOUN":
            yield child
            yield from _joined(child)


def _is_relative(verb: Any) -> bool:
    """Whether a relative clause's subject is the pronoun that stands for the noun."""
    subject = subject_of_verb(verb)
    return verb.lemma_ != "be" and subject is not None and subject.tag_ in ("WDT", "WP")


def _arguments(verb: _Verb) -> Iterator[Stated]:
    """Yields what a verb states: its agent, its object, its prepositions, and the same of joined verbs."""
    token = verb.token
    joined = [child for child in token.children if child.dep_ == "conj" and child.tag_ == token.tag_]
    shown = third_person(token.lemma_.lower()) if token.tag_ == "VBG" else token.text.lower()
    has_object = any(child.dep_ in ("dobj", "oprd", "ccomp", "xcomp", "acomp") for child in token.children)
    particle = any(child.dep_ == "prt" for child in token.children)
    for child in () if particle else token.children:
        if verb.passive and _is_agent(child):
            shared = [token, *joined] if joined and joined[-1].i < child.i else [token]
            for value in of_preposition(child):
                for each in shared:
                    yield Relation("by", each.lemma_, "by", verb.tense, each.text.lower()), value
        elif child.dep_ == "prep" and not has_object:
            form = "passive" if verb.passive else "active"
            relation = Relation(form, token.lemma_, child.text.lower(), verb.tense, shown)
            yield from ((relation, value) for value in of_preposition(child))
        elif child.dep_ == "dobj" and not verb.passive and token.lemma_ != "marry":
            yield from _object(verb, child)
    if verb.passive and joined and not any(map(_is_agent, token.children)):
        # "written and directed by X": the parse gives the agent to the last verb alone.
        agents = [child for child in joined[-1].children if _is_agent(child)]
        for value in (value for agent in agents for value in of_preposition(agent)):
            yield Relation("by", token.lemma_, "by", verb.tense, shown), value
    for other in joined:
        yield from _arguments(_Verb(other, verb.passive, verb.tense))


def _is_agent(token: Any) -> bool:
    return bool(token.dep_ == "agent" or (token.dep_ == "prep" and token.text == "by"))


def _object(verb: _Verb, phrase: Any) -> Iterator[Stated]:
    token = verb.token
    shown = third_person(token.lemma_.lower()) if token.tag_ == "VBG" else token.text.lower()
    relation = Relation("object", token.lemma_, "", verb.tense, shown)
    yield from ((relation, value) for value in of_phrase(phrase))
    number = next((token for token in phrase.children if token.dep_ == "nummod"), None)
    if number is not None and number.ent_type_ == "CARDINAL" and phrase.pos_ == "NOUN":
        counted = Relation("number", f"{verb.token.lemma_} {phrase.text.lower()}", "", verb.tense)
        yield counted, Value(number.i, number.i + 1, "NUMBER")


def noun_phrase(noun: Any) -> str:
    """Returns a noun with its article and the common nouns before it: "a county seat"."""
    words = nouns_before(noun.doc, noun.i)
    words.append(noun.text if noun.text.isupper() else noun.text.lower())
    article = next((token.text.lower() for token in noun.children if token.dep_ == "det"), "")
    if article in ("a", "an"):
        article = "an" if _VOWEL.match(words[0]) else "a"
    return " ".join(filter(None, [article, *words]))
