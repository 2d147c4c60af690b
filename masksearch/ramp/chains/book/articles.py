"""What the facts of an article say about its subject: what it is, and whether it is a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.ramp.chains.book.nouns import (
    GROUPS,
    HUMAN,
    NOT_OCCUPATION,
    VAGUE,
    WORKS,
    may_be_human,
    neutral,
)
from masksearch.ramp.chains.records import Fact

_BRACKETS = re.compile(r"\s*\([^()]*\)$")


def plain_title(title: str) -> str:
    """Returns a title without the brackets that tell it from others: "Heat (1995 film)" -> "Heat"."""
    return _BRACKETS.sub("", title)


@dataclass(frozen=True)
class Article:
    """An article's facts, and what they say about its subject."""

    title: str
    facts: tuple[Fact, ...]
    """Facts that state a relation."""
    noun: str
    """Head noun of "X is a ..."; empty if it has none."""
    phrase: str
    """That noun with the common nouns before it: "studio album"."""
    person: bool
    looks_human: bool = False
    """Whether the text takes the name for a person's."""

    @property
    def name(self) -> str:
        """The title as a text names it."""
        return plain_title(self.title)

    @property
    def subject(self) -> str:
        """The name with what it is: "the film Heat"; a person's name alone."""
        name, noun = self.name, self.phrase
        known = noun.rsplit(" ", 1)[-1] in name.lower()
        if self.person or len(self.noun) < 3 or self.noun in VAGUE or known or not noun.isascii():
            return name
        return f"the {noun} {name}"

    @property
    def is_work(self) -> bool:
        """Whether the subject is a film, an album, a book or another work."""
        return self.noun in WORKS

    @property
    def is_group(self) -> bool:
        """Whether the subject is a band, a company or another group."""
        return self.noun in GROUPS

    @property
    def occupation(self) -> Fact | None:
        """The fact with a person's first occupation, or None."""
        if not self.person:
            return None
        for fact in self.facts:
            word = fact.relation.word
            if fact.relation.form == "isa" and may_be_human(word) and word not in NOT_OCCUPATION:
                return fact
        return None

    @property
    def occupations(self) -> frozenset[str]:
        """All nouns of people that the first sentences call the subject: {"actor", "singer"}."""
        words = (fact.relation.word for fact in self.facts if fact.relation.form == "isa")
        return frozenset(neutral(word) for word in words if may_be_human(word))

    def is_single(self, fact: Fact) -> bool:
        """Whether the article states no other value for the relation of a fact."""
        if fact.relation.form == "isa":
            return fact is self.occupation
        same = {other.value for other in self.facts if other.relation.key == fact.relation.key}
        return len(same) == 1


def make_article(title: str, facts: Sequence[Fact]) -> Article:
    """Builds an article from all facts of its title."""
    stated = tuple(fact for fact in facts if fact.relation.form not in ("name", "pronoun"))
    heads = [fact.relation for fact in stated if fact.relation.form == "isa"]
    labels = [fact.kind for fact in facts if fact.relation.form == "name"]
    noun = heads[0].word if heads else ""
    phrase = heads[0].shown.removeprefix("a ").removeprefix("an ").removeprefix("the ") if heads else ""
    return Article(title, stated, noun, phrase, _is_person(noun, labels, stated), labels[:1] == ["PERSON"])


def _is_person(noun: str, labels: Sequence[str], facts: Sequence[Fact]) -> bool:
    if any(fact.relation.form == "born" for fact in facts):
        return True
    named = labels[:1] == ["PERSON"]
    return noun in HUMAN or (named and (not noun or may_be_human(noun)) and noun not in WORKS | GROUPS)
