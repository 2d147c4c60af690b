"""The facts of a corpus by article, and the article that a value names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from masksearch.ramp.chains.book.articles import Article, make_article, plain_title
from masksearch.ramp.chains.book.family import resolved
from masksearch.ramp.chains.book.nouns import MAKES, NOT_OCCUPATION
from masksearch.ramp.chains.reading.family import RANKS
from masksearch.ramp.chains.records import Fact

_THINGS = ("ORG", "GPE", "LOC", "FAC")
_VERBS = ("by", "passive", "active", "object")
RARE = 3
"""A verb with fewer facts than this in a large corpus is mostly an error of the parse."""
LARGE = 5000
"""Number of facts from which a corpus counts as large."""


def _without_rare_verbs(facts: list[Fact]) -> list[Fact]:
    if len(facts) < LARGE:
        return facts
    counts = Counter(fact.relation.word for fact in facts if fact.relation.form in _VERBS)
    return [fact for fact in facts if fact.relation.form not in _VERBS or counts[fact.relation.word] >= RARE]


def _may_have_made(person: Article, fact: Fact) -> bool:
    """Whether a person's occupations fit what a fact says that he or she made; true if nothing is known."""
    makers = MAKES.get(fact.relation.word) if fact.relation.form == "by" else None
    known = person.occupations - NOT_OCCUPATION
    return not makers or not known or bool(known & makers)


class Book:
    """Articles by title. A name means an article if no other article of the corpus has it."""

    def __init__(self, facts: Iterable[Fact], titles: Collection[str] = ()) -> None:
        """`titles` holds the titles of the whole corpus; facts may cover only a part of it."""
        by_title: dict[str, list[Fact]] = defaultdict(list)
        for fact in _without_rare_verbs(list(facts)):
            by_title[fact.title].append(fact)
        self.articles: dict[str, Article] = {
            title: make_article(title, rows) for title, rows in by_title.items()
        }
        named: dict[str, set[str]] = defaultdict(set)
        for title in {*titles, *self.articles}:
            named[plain_title(title).casefold()].add(title)
        self._shared = frozenset(name for name, known in named.items() if len(known) > 1)
        self._named = {name: next(iter(known)) for name, known in named.items() if len(known) == 1}
        for title, rows in resolved(by_title, self.target).items():
            self.articles[title] = make_article(title, rows)
        self._inverse: dict[str, list[Fact]] = defaultdict(list)
        for article in self.articles.values():
            for fact in article.facts:
                if fact.relation.form == "object" and (found := self.target(fact)) is not None:
                    self._inverse[found.title].append(fact)

    def usable(self) -> list[Article]:
        """Returns the articles whose name means them alone, in the order of their titles."""
        return [
            article
            for title, article in sorted(self.articles.items())
            if article.name.casefold() not in self._shared and article.facts
        ]

    def target(self, fact: Fact) -> Article | None:
        """Returns the article that a fact's value names.

        None if no article has the name, if several have it, or if the article is another kind of thing than
        the value. A link of the corpus decides before the name does.
        """
        title = fact.target if fact.target in self.articles else self._title_of(fact.value)
        found = self.articles.get(title or "")
        if found is None or found.title == fact.title or found.name.casefold() in self._shared:
            return None
        if fact.kind == "PERSON" and not (found.person or found.is_group):
            return None
        # A full name is a person's, whatever the entity recogniser took it for; a single word may be a place.
        if found.person and fact.kind != "PERSON" and not fact.target and " " not in fact.value:
            return None
        if fact.kind in _THINGS and found.is_work:
            return None
        if found.person and not fact.target and not _may_have_made(found, fact):
            return None
        return found

    def _title_of(self, name: str) -> str | None:
        """Returns the title that a name means alone: also without the rank before it ("King Rupert of
        Germany"), and without a space after a hyphen."""
        plain = name.casefold().replace("- ", "-")
        rest = plain.split(" ", 1)
        while len(rest) == 2 and rest[0] in RANKS and plain not in self._named:
            plain = rest[1]
            rest = plain.split(" ", 1)
        return self._named.get(plain)

    def inverse(self, article: Article) -> list[tuple[str, Fact]]:
        """Returns the facts of other articles whose verb has this article as its object: (title, fact)."""
        return [(fact.title, fact) for fact in self._inverse.get(article.title, ())]

    def noun(self, fact: Fact) -> str:
        """Returns what the value of a fact is ("band", "city"), from its own article or from the text before
        it; empty if unknown."""
        found = self.target(fact)
        if found is not None and found.noun:
            return "" if found.person else found.noun
        return "" if fact.kind == "PERSON" else fact.noun

    def with_kind(self, fact: Fact) -> Fact:
        """Returns the fact with the kind of its value as the value's own article shows it."""
        found = self.target(fact)
        if found is None:
            return fact
        if found.person:
            return replace(fact, kind="PERSON")
        return replace(fact, kind="ORG") if fact.kind == "PERSON" else fact
