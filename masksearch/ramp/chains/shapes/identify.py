"""Questions for an article itself, by two of its facts: "Which film was directed by A and set in B?"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from masksearch.ramp.chains.book.articles import Article
from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.nouns import VAGUE
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import seeded, shows
from masksearch.ramp.chains.wording.frames import frame
from masksearch.types import ChainStep

_BIRTH = {"bear": "born"}
"""A place of birth and a date of birth make one clause, not two."""
_FORMS = ("by", "passive", "active", "object", "noun", "born", "died")
Key = tuple[str, frozenset[tuple[str, str, str, str]]]


def identified(book: Book, seed: int) -> Iterator[Draft]:
    """Yields a question for every article that two of its facts tell from all others."""
    counts: Counter[Key] = Counter()
    chosen: list[tuple[Article, Fact, Fact, Key]] = []
    for article in book.usable():
        facts = [fact for fact in article.facts if _tells(article, fact)]
        if len(facts) < 2 or not article.noun or article.noun in VAGUE:
            continue
        rng = seeded(seed, "identify", article.title)
        one, two = sorted(rng.sample(facts, 2), key=article.facts.index)
        key = (article.noun, frozenset((*fact.relation.key, fact.value.casefold()) for fact in (one, two)))
        counts[key] += 1
        chosen.append((article, one, two, key))
    for article, one, two, key in chosen:
        if counts[key] == 1 and (draft := _draft(article, one, two)) is not None:
            yield draft


def _tells(article: Article, fact: Fact) -> bool:
    relation = fact.relation
    if relation.form not in _FORMS or relation.word == article.noun:
        return False
    return frame(fact, "X", article.person) is not None


def _draft(article: Article, one: Fact, two: Fact) -> Draft | None:
    words = {_BIRTH.get(fact.relation.word, fact.relation.word) for fact in (one, two)}
    if len(words) < 2 or shows(one.value + " " + two.value, article.name):
        return None
    clauses = [_clause(article, fact) for fact in (one, two)]
    noun = article.occupation.relation.word if article.occupation is not None else article.phrase
    joined = f"{clauses[0]} and {clauses[1]}"
    question = f"Which {noun} {joined}?"
    if shows(question, article.name):
        return None
    step = ChainStep(
        subject="",
        need=f"the {noun} that {joined}",
        title=article.title,
        passage_id=one.passage_id,
        value=article.name,
        kind=noun,
    )
    return Draft("hop", 1, question, article.name, (step,), category="PERSON" if article.person else "ORG")


def _clause(article: Article, fact: Fact) -> str:
    """Returns what a fact says, without its subject: "was directed by Michael Mann"."""
    stated = frame(fact, "X", article.person)
    assert stated is not None
    return stated.filled(fact.value)[len("X ") :]
