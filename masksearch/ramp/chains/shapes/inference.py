"""Inferences over relatives: a parent's parent is a grandparent."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.family import WORDS, role_of
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import gives_away, seeded, step_of
from masksearch.ramp.chains.wording.lexicon import possessive

_NAMES = {
    ("parent", "sibling"): ("uncle", "aunt"),
    ("spouse", "parent"): ("father-in-law", "mother-in-law"),
    ("child", "child"): ("grandson", "granddaughter"),
    ("child", "spouse"): ("son-in-law", "daughter-in-law"),
    ("spouse", "sibling"): ("brother-in-law", "sister-in-law"),
    ("sibling", "spouse"): ("brother-in-law", "sister-in-law"),
    ("sibling", "child"): ("nephew", "niece"),
}
"""(what B is to A, what C is to B) -> what C is to A, as a man and as a woman."""


def inferred(first: str, last: str) -> str:
    """Returns what C is to A, if B is A's `first` and C is B's `last`; empty if there is no word for it."""
    roles = (role_of(first), role_of(last))
    if roles == ("parent", "parent"):
        side = {"father": "paternal ", "mother": "maternal "}.get(first, "")
        return f"{side}grand{last}"
    words = _NAMES.get(roles)
    if words is None:
        return ""
    man, woman = WORDS[roles[1]]
    return {man: words[0], woman: words[1]}.get(last, "grandchild" if roles == ("child", "child") else "")


def inferences(book: Book, seed: int, most: int) -> Iterator[Draft]:
    """Yields questions for a relative of a relative."""
    for article in book.usable():
        for fact in article.facts:
            found = book.target(fact)
            if fact.relation.form != "relative" or found is None or not article.is_single(fact):
                continue
            for last in found.facts:
                name = inferred(fact.relation.word, last.relation.word) if found.is_single(last) else ""
                if name and last.relation.form == "relative" and last.value != article.name:
                    question = _question(seed, article.name, name, last)
                    if not gives_away(question, last):
                        steps = (step_of(book, fact, article.name), step_of(book, last, found.name))
                        yield Draft(
                            "inference",
                            2,
                            question,
                            last.value,
                            steps,
                            (fact.value,),
                            name,
                            category=last.kind,
                            named=(article.name,),
                        )


def _question(seed: int, subject: str, name: str, last: Fact) -> str:
    rows = [f"Who is the {name} of {subject}?", f"Who was the {name} of {subject}?"]
    if whose := possessive(subject):
        rows += [f"Who is {whose} {name}?", f"Who was {whose} {name}?"]
    return rows[seeded(seed, "inference", subject, name, last.value).randrange(len(rows))]
