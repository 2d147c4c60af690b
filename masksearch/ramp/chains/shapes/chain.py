"""Chains: a fact of an article that one to three facts of other articles describe."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import Described, gives_away, links, longer, seeded, step_of
from masksearch.ramp.chains.shapes.reverse import reversed_chains
from masksearch.ramp.chains.wording.ask import ask
from masksearch.ramp.chains.wording.frames import frame


def chains(book: Book, seed: int, most: int) -> Iterator[Draft]:
    """Yields the chains of 2 to `most` facts."""
    yield from reversed_chains(book, seed)
    known = list(links(book, seed))
    for hops in range(2, most + 1):
        for described in known:
            for fact in described.article.facts:
                if (draft := _draft(book, seed, described, fact)) is not None:
                    yield draft
        if hops < most:
            known = [further for described in known for further in longer(book, seed, described)]


def _draft(book: Book, seed: int, known: Described, fact: Fact) -> Draft | None:
    article = known.article
    titles = {step.title for step in known.steps}
    target = book.target(fact)
    if not article.is_single(fact) or (target is not None and target.title in titles):
        return None
    if fact.relation.word == known.facts[-1].relation.word:  # the way back: "who produced what P produced?"
        return None
    rng = seeded(seed, "chain", known.phrase, *fact.relation.key, fact.value)
    question = ask(book.with_kind(fact), known.phrase, book.noun(fact), article.person, rng)
    stated = frame(fact, known.phrase, article.person)
    if not question or stated is None or gives_away(question, fact) or fact.value in known.bridges:
        return None
    steps = (*known.steps, step_of(book, fact, article.name))
    first = book.articles[known.facts[0].title]
    return Draft(
        "chain",
        len(steps),
        question,
        fact.value,
        steps,
        known.bridges,
        statement=stated.masked,
        category=fact.kind,
        named=(first.name,),
    )
