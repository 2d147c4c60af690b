"""Inferences over relatives: a parent's parent is a grandparent."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import shows, step_of

_TO = {
    **dict.fromkeys(("son", "daughter"), "parent"),
    **dict.fromkeys(("brother", "sister"), "sibling"),
    **dict.fromkeys(("wife", "husband", "widow"), "spouse"),
    **dict.fromkeys(("father", "mother"), "child"),
}
"""Noun of "A is the NOUN of B" -> what B is to A."""
INFERRED = {
    ("parent", "parent"): "grandparent",
    ("parent", "sibling"): "uncle or aunt",
    ("spouse", "parent"): "parent-in-law",
    ("child", "child"): "grandchild",
    ("spouse", "sibling"): "brother-in-law or sister-in-law",
    ("sibling", "child"): "nephew or niece",
}
"""(what B is to A, what C is to B) -> what C is to A."""


def inferences(book: Book, seed: int, most: int) -> Iterator[Draft]:
    """Yields questions for a relative of a relative."""
    for article in book.usable():
        for fact in article.facts:
            first, found = _relative(fact), book.target(fact)
            if not first or found is None or not found.person or not article.is_single(fact):
                continue
            for last in found.facts:
                name = INFERRED.get((first, _relative(last)))
                if name is None or last.value == article.name or not found.is_single(last):
                    continue
                question = f"Who is the {name} of {article.name}?"
                if not shows(question, last.value):
                    steps = (
                        step_of(book, fact, article.name, f"the {first}"),
                        step_of(book, last, found.name, f"the {_relative(last)}"),
                    )
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


def _relative(fact: Fact) -> str:
    relation = fact.relation
    if fact.kind == "PERSON" and relation.form == "noun" and relation.prep == "of":
        return _TO.get(relation.word, "")
    if fact.kind == "PERSON" and relation.form == "object" and relation.word == "marry":
        return "spouse"
    return ""
