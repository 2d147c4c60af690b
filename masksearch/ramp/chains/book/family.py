"""What relatives are to each other: a parent who is a woman is the mother."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from masksearch.ramp.chains.book.articles import Article
from masksearch.ramp.chains.reading.family import RANKS
from masksearch.ramp.chains.records import Fact, Relation

WORDS = {
    "parent": ("father", "mother"),
    "sibling": ("brother", "sister"),
    "spouse": ("husband", "wife"),
    "child": ("son", "daughter"),
}
"""Role -> (its word for a man, for a woman)."""
_MEN = frozenset(
    """he son brother husband widower father king prince duke count emperor lord sir
    earl""".split()  # noqa: SIM905
)
_WOMEN = frozenset(
    """she daughter sister wife widow mother queen princess duchess countess empress lady
    actress infanta""".split()  # noqa: SIM905
)
COMMON, CLEAR = 3, 0.95
"""A first name tells a woman from a man if this many articles have it, and this share of them agree."""
Facts = Mapping[str, Sequence[Fact]]


def role_of(word: str) -> str:
    """Returns the role of a word: "father" -> "parent"; empty for a word of no relative."""
    return next((role for role, words in WORDS.items() if word == role or word in words), "")


def resolved(facts: Facts, target: Callable[[Fact], Article | None]) -> dict[str, list[Fact]]:
    """Returns the facts of the articles that name relatives, with the words for men and women in them.

    `target` returns the article that a fact's value names. The word stays neutral ("parent") if the texts do
    not tell. Of two parents one of whom is known the other one is taken for the other.
    """
    women = {title: told for title, rows in facts.items() if (told := _is_woman(rows)) is not None}
    names = _first_names(women)
    found = {}
    for title, rows in facts.items():
        if any(fact.relation.form == "relative" for fact in rows):
            known = [_known(fact, target, women, names) for fact in rows]
            parents = [place for place, fact in enumerate(rows) if _is_parent(fact)]
            if len(parents) == 2 and sum(known[place] is None for place in parents) == 1:
                one, other = sorted(parents, key=lambda place: known[place] is None)
                known[other] = not known[one]
            found[title] = [_worded(fact, woman) for fact, woman in zip(rows, known, strict=True)]
    return found


def _is_woman(rows: Sequence[Fact]) -> bool | None:
    """Whether an article is about a woman; None if its facts do not tell."""
    for fact in rows:
        relation = fact.relation
        if relation.form in ("pronoun", "isa"):
            word = relation.word
        else:
            word = relation.shown if relation.form == "relative" and relation.prep == "of" else ""
        if word in _WOMEN or word in _MEN:
            return word in _WOMEN
    return None


def first_name(name: str) -> str:
    """Returns the first name of a person, without the rank before it: "King Eric XIV" -> "Eric"."""
    words = name.split()
    while len(words) > 1 and words[0].lower() in RANKS | {"sir", "lady", "crown"}:
        words = words[1:]
    return words[0] if words else ""


def _first_names(women: Mapping[str, bool]) -> dict[str, bool]:
    """Returns the first names that the corpus gives to men alone (False), or to women alone (True)."""
    found: dict[str, Counter[bool]] = defaultdict(Counter)
    for title, woman in women.items():
        found[first_name(title)][woman] += 1
    return {
        name: counts[True] > counts[False]
        for name, counts in found.items()
        if max(counts.values()) >= COMMON and max(counts.values()) >= CLEAR * counts.total()
    }


def _known(
    fact: Fact,
    target: Callable[[Fact], Article | None],
    women: Mapping[str, bool],
    names: Mapping[str, bool],
) -> bool | None:
    """Whether the value of a relative's fact is a woman; None if unknown."""
    if fact.relation.form != "relative":
        return None
    if fact.relation.prep == "poss":
        return fact.relation.shown in _WOMEN
    first = fact.value.split(" ")[0].lower()
    if first in _WOMEN or first in _MEN:
        return first in _WOMEN
    article = target(fact)
    known = women.get(article.title) if article is not None else None
    return names.get(first_name(fact.value)) if known is None else known


def _is_parent(fact: Fact) -> bool:
    return fact.relation.form == "relative" and fact.relation.word == "parent"


def _worded(fact: Fact, woman: bool | None) -> Fact:
    if fact.relation.form != "relative":
        return fact
    word = fact.relation.word if woman is None else WORDS[fact.relation.word][woman]
    return replace(fact, relation=Relation("relative", word, "of", fact.relation.tense, word))
