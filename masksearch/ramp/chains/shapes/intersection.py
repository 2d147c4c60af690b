"""Intersections: one entity of a list in an article, told from the others by a fact of its own article."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from masksearch.ramp.chains.book.articles import Article
from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import shows, step_of
from masksearch.ramp.chains.wording.frames import frame

_LISTS = {
    ("object", "star"): ("Who starred in {subject} and {own}?", "the actors"),
    ("object", "feature"): ("Who appeared in {subject} and {own}?", "the people"),
    ("by", "direct"): ("Which of the directors of {subject} {own}?", "the directors"),
    ("by", "write"): ("Which of the writers of {subject} {own}?", "the writers"),
    ("by", "produce"): ("Which of the producers of {subject} {own}?", "the producers"),
    ("by", "compose"): ("Which of the composers of {subject} {own}?", "the composers"),
    ("by", "found"): ("Which of the founders of {subject} {own}?", "the founders"),
    ("by", "form"): ("Which of the founders of {subject} {own}?", "the founders"),
    ("active", "consist"): ("Which member of {subject} {own}?", "the members"),
    ("by", "perform"): ("Which of the performers of {subject} {own}?", "the performers"),
}
"""(form, verb) of a relation with several values -> (question, what its step needs)."""
_TELLING = ("born", "died")


def intersections(book: Book, seed: int, most: int) -> Iterator[Draft]:
    """Yields questions for the one entity of a list that a fact of its own article fits."""
    for article in book.usable():
        lists: dict[tuple[str, str, str], list[Fact]] = defaultdict(list)
        for fact in article.facts:
            if (fact.relation.form, fact.relation.word) in _LISTS:
                lists[fact.relation.key].append(fact)
        for facts in lists.values():
            members = [(fact, found) for fact in facts if (found := book.target(fact)) and found.person]
            if len(facts) > 1:
                yield from _of_list(book, seed, article, members)


def _of_list(
    book: Book, seed: int, article: Article, members: Sequence[tuple[Fact, Article]]
) -> Iterator[Draft]:
    for place, (listed, found) in enumerate(members):
        for own in found.facts:
            if not _tells(own, found, members):
                continue
            phrase = frame(own, "who", True)
            if phrase is None:
                continue
            clause = phrase.filled(own.value)[len("who ") :]
            pattern, need = _LISTS[(listed.relation.form, listed.relation.word)]
            question = pattern.format(subject=article.subject, own=clause)
            if shows(question, found.name):
                continue
            steps = [step_of(book, listed, article.subject, need)]
            for _, other in members[:place]:
                if other is found:
                    continue
                same = next((fact for fact in other.facts if fact.relation.key == own.relation.key), None)
                if same is not None:
                    steps.append(step_of(book, same, other.name))
            steps.append(step_of(book, own, found.name))
            yield Draft(
                "intersection",
                2,
                question,
                listed.value,
                tuple(steps),
                (listed.value,),
                "fits",
                category=listed.kind,
                named=(article.name,),
            )
            break


def _tells(own: Fact, found: Article, members: Sequence[tuple[Fact, Article]]) -> bool:
    """Whether a fact is its article's alone among the members of the list."""
    relation = own.relation
    birthplace = relation.form == "passive" and relation.word == "bear" and relation.prep == "in"
    if not (relation.form in _TELLING or birthplace) or not found.is_single(own):
        return False
    others = {
        fact.value for _, other in members if other is not found for fact in other.facts
        if fact.relation.key == relation.key
    }  # fmt: skip
    return own.value not in others
