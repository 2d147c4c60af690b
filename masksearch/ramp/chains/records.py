"""The records of chained tasks: facts, and drafts of tasks before their checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from masksearch.types import ChainStep


@dataclass(frozen=True)
class Relation:
    """The relation of an article's subject to the value of a fact.

    `form` is the pattern of the dependency parse: `by` (passive verb with its agent), `passive` (passive verb
    with a preposition), `object` (active verb with its object), `active` (active verb with a preposition),
    `noun` (the noun of "is a NOUN of VALUE"), `isa` (that noun itself), `nationality`, `number`, `born`,
    `died`, `relative` (the word is what the value is to the subject: "father"). The forms `name` and
    `pronoun` state no relation: the kind of `name` is the entity label of the subject's own name, the word of
    `pronoun` is "he" or "she".
    """

    form: str
    word: str
    """Lemma of the verb, or the noun."""
    prep: str = ""
    tense: str = ""
    """`past` or `present`."""
    shown: str = ""
    """The verb as written, or the noun with its article and the nouns before it ("a county seat")."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The part that two facts with the same relation share."""
        return self.form, self.word, self.prep


@dataclass(frozen=True)
class Fact:
    """A relation of an article's subject to a value: characters [start, end) of a passage."""

    title: str
    """Title of the article; for an article without a title, the name of the sentence's subject."""
    doc_id: str
    passage_id: str
    relation: Relation
    value: str
    start: int
    end: int
    kind: str
    """Kind of the value: an entity label, DATE, YEAR, NUMBER, or NOUN."""
    noun: str = ""
    """The common noun before the value in the text: "drama series" of "the drama series Charmed"."""
    target: str = ""
    """Title of the article to which a link of the corpus over the value points."""

    def to_json(self) -> dict[str, Any]:
        """Returns the fact as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Fact:
        """Reads a fact that `to_json` returned."""
        return cls(**{**value, "relation": Relation(**value["relation"])})


@dataclass(frozen=True)
class Draft:
    """A task before its checks, with the steps that lead to its answer in order."""

    shape: str
    hops: int
    """Number of facts that the answer depends on."""
    question: str
    answer: str
    steps: tuple[ChainStep, ...]
    """One search each. An intersection may have more steps than hops: it tries the entities of a list."""
    bridges: tuple[str, ...] = ()
    """Withheld names, in the order in which they are found."""
    verdict: str = ""
    """How the answer follows from the values (see `types.Chained`)."""
    statement: str = ""
    """The same task as a statement with a mask in the place of the answer; empty if it has no such form."""
    category: str = ""
    """Kind of the answer: an entity label, DATE, YEAR, NUMBER, NOUN; NAME or YESNO of a comparison."""
    named: tuple[str, ...] = ()
    """Names in the question."""

    @property
    def key(self) -> str:
        """The kinds of facts that the draft asks for; drafts with equal keys ask for the same."""
        return " > ".join(step.need for step in self.steps)
