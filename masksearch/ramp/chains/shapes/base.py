"""What all shapes share: seeded choices, steps, and the description of one article by another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from masksearch.ramp.chains.book.articles import Article
from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.family import first_name
from masksearch.ramp.chains.records import Fact
from masksearch.ramp.chains.wording.describe import describe
from masksearch.ramp.chains.wording.needs import VAGUE, need_of, verb_of
from masksearch.types import ChainStep

DEEP = 2
"""Number of links of an article that are followed further, so that well-linked corpora stay small."""


def seeded(seed: int, *parts: str) -> Random:
    """Returns a generator for one choice; equal parts give equal choices in any process."""
    return Random(":".join([str(seed), *parts]))


def step_of(book: Book, fact: Fact, subject: str, need: str = "") -> ChainStep:
    """Returns the step that finds a fact's value."""
    need = need or need_of(book.with_kind(fact), book.noun(fact))
    return ChainStep(
        subject=subject,
        need=need,
        verb=verb_of(fact) if need in VAGUE else "",
        title=fact.title,
        passage_id=fact.passage_id,
        value=fact.value,
        kind=fact.kind,
    )


def shows(text: str, value: str) -> bool:
    """Whether a text shows a value, or a long word of it."""
    words = set(re.findall(r"\w+", text.casefold()))
    parts = re.findall(r"\w+", value.casefold())
    long = [part for part in parts if len(part) > 3]
    return set(parts) <= words or any(part in words for part in long if not part.isdigit())


def gives_away(text: str, fact: Fact) -> bool:
    """Whether a text shows a fact's value. Relatives share a surname and a land: of their names the first
    one counts."""
    if fact.relation.form != "relative":
        return shows(text, fact.value)
    return shows(text, first_name(fact.value)) or fact.value.casefold() in text.casefold()


@dataclass(frozen=True)
class Described:
    """An article as a chain of facts describes it, without naming it."""

    phrase: str
    article: Article
    facts: tuple[Fact, ...]
    """The facts of the description, from the named article on."""
    steps: tuple[ChainStep, ...]

    @property
    def bridges(self) -> tuple[str, ...]:
        """The names that the steps find, in order."""
        return tuple(step.value for step in self.steps)


def links(book: Book, seed: int) -> Iterator[Described]:
    """Yields the articles that one fact of another article describes."""
    for article in book.usable():
        yield from _links_from(book, seed, article, article.subject, ())


def longer(book: Book, seed: int, known: Described) -> Iterator[Described]:
    """Yields the articles that a described article's own facts describe."""
    path = {fact.title for fact in known.facts} | {known.article.title}
    found = [
        described
        for described in _links_from(book, seed, known.article, known.phrase, (known,))
        if described.article.title not in path
    ]
    rng = seeded(seed, "longer", known.phrase)
    yield from rng.sample(found, min(DEEP, len(found)))


def _links_from(
    book: Book, seed: int, article: Article, phrase: str, known: tuple[Described, ...]
) -> Iterator[Described]:
    subject = known[0].article.name if known else article.subject
    facts = known[0].facts if known else ()
    steps = known[0].steps if known else ()
    for fact in article.facts:
        found = book.target(fact)
        if found is None or not article.is_single(fact) or _contradicted(book, article, fact):
            continue
        rng = seeded(seed, "describe", fact.doc_id, *fact.relation.key, fact.value)
        text = describe(book.with_kind(fact), phrase, book.noun(fact), article.person, rng)
        hidden = first_name(found.name) if fact.relation.form == "relative" else found.name
        if text and not shows(text, hidden):
            yield Described(text, found, (*facts, fact), (*steps, step_of(book, fact, subject)))


def _contradicted(book: Book, article: Article, fact: Fact) -> bool:
    """Whether the corpus states another value: "A was directed by B", but C's article "C directed A"."""
    return any(
        other.title != fact.title and other.relation.word == fact.relation.word and not _names(fact, title)
        for title, other in book.inverse(article)
    )


def _names(fact: Fact, title: str) -> bool:
    return fact.value.casefold() in title.casefold() or fact.target == title
