"""Statements of a fact with a gap in the place of its value: for masked statements and for some questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from masksearch.ramp.chains.records import Fact
from masksearch.ramp.chains.wording.lexicon import (
    NOUNS,
    PLACES,
    PREPOSITIONS,
    RELATIVES,
    is_light,
    third_person,
)
from masksearch.types import MASK


@dataclass(frozen=True)
class Frame:
    """A statement without its value: the words before the gap and after it."""

    before: str
    after: str = ""

    def filled(self, words: str) -> str:
        """Returns the sentence with words in the gap, without a mark at its end."""
        text = f"{self.before} {words}{self.after}"
        return text[0].upper() + text[1:]

    @property
    def masked(self) -> str:
        """The statement with a mask in the gap."""
        return f"{self.filled(MASK)}."


def be(fact: Fact) -> str:
    """Returns "is" or "was"."""
    return "is" if fact.relation.tense == "present" else "was"


def do(fact: Fact) -> str:
    """Returns "does" or "did"."""
    return "does" if fact.relation.tense == "present" else "did"


def frame(fact: Fact, subject: str, person: bool) -> Frame | None:
    """Returns the statement of a fact about `subject`; None if no pattern fits.

    `person` tells whether the subject is a person.
    """
    pattern = _FRAMES.get(fact.relation.form)
    return pattern(fact, subject, person) if pattern else None


def is_asked(fact: Fact) -> bool:
    """Whether a verb's fact says enough, and its preposition fits its value."""
    relation, kind = fact.relation, fact.kind
    if is_light(relation.word, relation.prep):
        return False
    if kind in ("DATE", "YEAR"):
        return relation.prep in ("in", "on") and relation.form in ("passive", "active")
    return (kind in NOUNS or kind == "PERSON") and relation.prep in ("", *PREPOSITIONS)


def _verb(fact: Fact, subject: str, person: bool) -> Frame | None:
    relation = fact.relation
    if not is_asked(fact):
        return None
    helper = f"{be(fact)} " if relation.form in ("by", "passive") else ""
    return Frame(f"{subject} {helper}{relation.shown} {relation.prep}".rstrip())


def _noun(fact: Fact, subject: str, person: bool) -> Frame | None:
    relation = fact.relation
    if fact.kind == "PERSON":
        fits = relation.prep == "by" or (relation.prep == "of" and person and relation.word in RELATIVES)
    else:
        fits = fact.kind in NOUNS and (
            relation.prep == "of" or (relation.prep in ("in", "by") and fact.kind in PLACES)
        )
    article = relation.shown if relation.shown.split(" ")[0] in ("a", "an", "the") else f"a {relation.shown}"
    return Frame(f"{subject} {be(fact)} {article} {relation.prep}") if fits else None


def _number(fact: Fact, subject: str, person: bool) -> Frame | None:
    verb, counted = fact.relation.word.split(" ", 1)
    if not counted.endswith("s") or verb not in ("have", "contain", "comprise", "include", "win", "score"):
        return None
    past = {"have": "had", "win": "won"}.get(verb, f"{verb}ed".replace("eed", "ed"))
    present = third_person(verb)
    return Frame(f"{subject} {present if fact.relation.tense == 'present' else past}", f" {counted}")


_FRAMES: dict[str, Callable[[Fact, str, bool], Frame | None]] = {
    "born": lambda fact, subject, person: Frame(f"{subject} was born on"),
    "died": lambda fact, subject, person: Frame(f"{subject} died on"),
    "nationality": lambda fact, subject, person: (
        Frame(f"the nationality of {subject} {be(fact)}") if person else None
    ),
    "isa": lambda fact, subject, person: Frame(f"the occupation of {subject} {be(fact)}") if person else None,
    "cause": lambda fact, subject, person: Frame(f"the cause of death of {subject} was") if person else None,
    "relative": lambda fact, subject, person: (
        Frame(f"the {fact.relation.word} of {subject} {be(fact)}") if person else None
    ),
    "by": _verb,
    "passive": _verb,
    "active": _verb,
    "object": _verb,
    "noun": _noun,
    "number": _number,
}
