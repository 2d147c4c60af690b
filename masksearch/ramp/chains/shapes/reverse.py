"""Chains whose last step goes from the bridge to what it made: "Which album did the writer of A release?"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.nouns import VAGUE
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import seeded, shows, step_of
from masksearch.ramp.chains.wording.describe import describe
from masksearch.types import ChainStep


def reversed_chains(book: Book, seed: int) -> Iterator[Draft]:
    """Yields questions for the only other article of a kind that names the same maker."""
    made: dict[str, list[Fact]] = defaultdict(list)
    for article in book.usable():
        for fact in article.facts:
            if fact.relation.form == "by" and fact.kind in ("PERSON", "ORG") and article.is_single(fact):
                made[fact.value.casefold()].append(fact)
    for facts in made.values():
        for last in facts:
            for fact in facts:
                if (draft := _draft(book, seed, fact, last, facts)) is not None:
                    yield draft


def _draft(book: Book, seed: int, fact: Fact, last: Fact, facts: list[Fact]) -> Draft | None:
    one, two = book.articles[fact.title], book.articles[last.title]
    if one is two or not two.noun or two.noun in VAGUE or two.person:
        return None
    alike = {
        other.title
        for other in facts
        if other.title != fact.title
        and other.relation.word == last.relation.word
        and book.articles[other.title].noun == two.noun
    }
    if alike != {two.title}:
        return None
    rng = seeded(seed, "reverse", fact.title, last.title)
    phrase = describe(book.with_kind(fact), one.subject, book.noun(fact), one.person, rng)
    other = "other " if one.noun == two.noun and fact.relation.word == last.relation.word else ""
    question = f"Which {other}{two.noun} was {last.relation.shown} by {phrase}?"
    if not phrase or shows(question, fact.value) or shows(question, two.name):
        return None
    found = ChainStep(
        subject=fact.value,
        need=f"the {other}{two.noun}",
        title=two.title,
        passage_id=last.passage_id,
        value=two.name,
        kind="WORK_OF_ART" if two.is_work else "ORG",
    )
    return Draft(
        "chain",
        2,
        question,
        two.name,
        (step_of(book, fact, one.subject), found),
        (fact.value,),
        category=found.kind,
        named=(one.name,),
    )
