"""One fact of an article as a question or a masked statement.

Where the corpus states a fact twice (A's article: "A was directed by B"; B's article: "B filmed A"), the
question takes the words of the sentence that is not the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.ramp.chains.book.articles import Article
from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import gives_away, seeded, step_of
from masksearch.ramp.chains.shapes.identify import identified
from masksearch.ramp.chains.wording.ask import ask
from masksearch.ramp.chains.wording.frames import be, frame
from masksearch.ramp.chains.wording.lexicon import PREPOSITIONS, is_light


def hops(book: Book, seed: int, most: int) -> Iterator[Draft]:
    """Yields a draft for every fact that is the only one of its relation in its article.

    Adds one for every article that two of its facts identify.
    """
    yield from identified(book, seed)
    for article in book.usable():
        for fact in article.facts:
            if article.is_single(fact) and (draft := _draft(book, seed, article, fact)) is not None:
                yield draft


def _draft(book: Book, seed: int, article: Article, fact: Fact) -> Draft | None:
    subject = article.subject
    rng = seeded(seed, "hop", fact.doc_id, *fact.relation.key, fact.value)
    echoed = _echo(book, article, fact)
    question = echoed or ask(book.with_kind(fact), subject, book.noun(fact), article.person, rng)
    stated = frame(fact, subject, article.person)
    if not question or stated is None or gives_away(question, fact):
        return None
    return Draft(
        "hop",
        1,
        question,
        fact.value,
        (step_of(book, fact, subject),),
        statement=stated.masked,
        category=fact.kind,
        named=(article.name,),
    )


def _echo(book: Book, article: Article, fact: Fact) -> str:
    """Returns a question in the words of another article that states the same fact; empty if none does."""
    found = book.target(fact)
    if found is None:
        return ""
    for other in found.facts:
        relation = other.relation
        about = book.target(other)
        if about is None or about.title != article.title or not found.is_single(other):
            continue
        if relation.form not in ("object", "active", "passive") or is_light(relation.word, relation.prep):
            continue
        if relation.prep and relation.prep not in PREPOSITIONS:
            continue
        who = "Who" if found.person else f"Which {found.noun}" if found.noun else ""
        helper = f"{be(other)} " if relation.form == "passive" else ""
        words = f"{helper}{relation.shown} {relation.prep}".strip()
        return f"{who} {words} {article.subject}?" if who else ""
    return ""
