"""Comparisons of two articles of a kind: which is earlier or has more; whether both are the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from random import Random

from masksearch.ramp.chains.book.articles import Article
from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.dates import order, sortable
from masksearch.ramp.chains.book.nouns import VAGUE, neutral
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import seeded, step_of
from masksearch.ramp.chains.wording.lexicon import third_person
from masksearch.ramp.chains.wording.plurals import plural

ROUNDS = 2
"""Number of times that a fact is paired with another one."""
FREQUENT = 5
"""Number of articles of a kind from which the kind is asked for."""
BORN = (
    ("Who was born first, {a} or {b}?", "before"),
    ("Who was born earlier, {a} or {b}?", "before"),
    ("Who is older, {a} or {b}?", "before"),
    ("Who was born later, {a} or {b}?", "after"),
    ("Who is younger, {a} or {b}?", "after"),
)
DIED = (("Who died first, {a} or {b}?", "before"), ("Who died later, {a} or {b}?", "after"))
DATED = (
    ("Which {noun} was {verb} first, {a} or {b}?", "before"),
    ("Which {noun} was {verb} earlier, {a} or {b}?", "before"),
    ("Was {a} or {b} {verb} first?", "before"),
    ("Which {noun} was {verb} later, {a} or {b}?", "after"),
    ("Which {noun} was {verb} more recently, {a} or {b}?", "after"),
)
COUNTED = (
    ("Which {noun} {verb} more {counted}, {a} or {b}?", "more"),
    ("Which {noun} {verb} fewer {counted}, {a} or {b}?", "fewer"),
)
Group = tuple[str, ...]
Pair = tuple[Fact, Fact]


def comparisons(book: Book, seed: int, most: int) -> Iterator[Draft]:
    """Yields comparisons; of questions for yes or no, as many of each."""
    groups: dict[Group, list[Fact]] = defaultdict(list)
    for article in book.usable():
        for fact in article.facts:
            if article.is_single(fact) or _is_kind(article, fact):
                for group in _groups(book, article, fact):
                    groups[group].append(fact)
    for group, facts in sorted(groups.items()):
        rng = seeded(seed, "comparison", *group)
        if group[0] in ("born", "died", "dated", "counted"):
            yield from _ordered_all(book, group, facts, rng)
        else:
            yield from _same_or_not(book, group, facts, rng)


def _is_kind(article: Article, fact: Fact) -> bool:
    return fact.relation.form == "isa" and fact.relation.word == article.noun


def _groups(book: Book, article: Article, fact: Fact) -> Iterator[Group]:
    """Yields what a fact must share with another one to be compared with it."""
    form, noun = fact.relation.form, article.noun
    if form in ("born", "died"):
        if article.person:
            yield (form,)
    elif form == "nationality":
        yield ("nationality", "" if article.person else noun)
    elif form == "isa":
        if fact is article.occupation:
            yield ("occupation",)
        elif _is_kind(article, fact) and _has_kind(article):
            yield ("kind",)
    elif not noun or noun in VAGUE:
        return
    elif fact.kind in ("DATE", "YEAR") and form == "passive" and sortable(fact.value):
        yield ("dated", noun, fact.relation.shown)
    elif form == "number" and fact.value.replace(",", "").isdigit():
        yield ("counted", noun, fact.relation.word)
    elif form == "by" and fact.kind in ("PERSON", "ORG"):
        yield ("maker", noun, fact.relation.shown, fact.kind)
    elif form == "passive" and fact.kind == "GPE" and fact.relation.prep == "in" and book.noun(fact):
        yield ("place", noun, fact.relation.shown, book.noun(fact))
    elif form == "active" and fact.kind == "ORG" and article.person:
        yield ("organization", *fact.relation.key)


def _has_kind(article: Article) -> bool:
    """Whether the noun says what an article is; in "X is an American film and stage actor" film does not."""
    misread = article.looks_human and article.is_work
    return not (article.person or misread or article.noun in VAGUE or len(article.noun) < 3)


def _pairs(facts: Sequence[Fact], rng: Random) -> Iterator[Pair]:
    for _ in range(ROUNDS):
        shuffled = list(facts)
        rng.shuffle(shuffled)
        yield from zip(shuffled[::2], shuffled[1::2], strict=False)


def _ordered_all(book: Book, group: Group, facts: Sequence[Fact], rng: Random) -> Iterator[Draft]:
    seen = set()
    for a, b in _pairs(facts, rng):
        if a.title != b.title and frozenset((a.title, b.title)) not in seen:
            seen.add(frozenset((a.title, b.title)))
            yield from _ordered(book, group, a, b, rng)


def _ordered(book: Book, group: Group, a: Fact, b: Fact, rng: Random) -> Iterator[Draft]:
    """Yields which of two is earlier or has more; nothing if that cannot be told."""
    sign = _sign(group, a, b)
    if sign == 0:
        return
    patterns = {"born": BORN, "died": DIED, "dated": DATED, "counted": COUNTED}[group[0]]
    pattern, verdict = patterns[rng.randrange(len(patterns))]
    one, two = book.articles[a.title], book.articles[b.title]
    noun, verb, counted = (*group[1:], "", "", "")[:3] if group[0] == "dated" else ("", "", "")
    if group[0] == "counted":
        verb, counted = group[2].split(" ", 1)
        noun, verb = group[1], third_person(verb)
    question = pattern.format(a=one.name, b=two.name, noun=noun, verb=verb, counted=counted)
    first = (sign < 0) == (verdict in ("before", "fewer"))
    yield _draft(book, a, b, question, one.name if first else two.name, verdict, "NAME")


def _sign(group: Group, a: Fact, b: Fact) -> int:
    if group[0] == "counted":
        x, y = (int(fact.value.replace(",", "")) for fact in (a, b))
        return (x > y) - (x < y)
    x_date, y_date = sortable(a.value), sortable(b.value)
    return order(x_date, y_date) if x_date and y_date else 0


def _same_or_not(book: Book, group: Group, facts: Sequence[Fact], rng: Random) -> Iterator[Draft]:
    """Yields as many pairs with the same value as with different values."""
    frequent = Counter(map(_value, facts))
    shuffled = [fact for fact in facts if group[0] != "kind" or frequent[_value(fact)] >= FREQUENT]
    rng.shuffle(shuffled)
    by_value: dict[str, list[Fact]] = defaultdict(list)
    for fact in shuffled:
        by_value[_value(fact)].append(fact)
    same = [pair for rows in by_value.values() for pair in zip(rows[::2], rows[1::2], strict=False)]
    rng.shuffle(same)
    other = [(a, b) for a, b in _pairs(shuffled, rng) if _differ(book, group, a, b)]
    few = min(len(same), len(other))
    for pairs, answer in ((same[:few], "yes"), (other[:few], "no")):
        for a, b in pairs:
            if a.title != b.title:
                question = _yes_no(book, group, a, b, rng)
                yield _draft(book, a, b, question, answer, "same", "YESNO")


def _value(fact: Fact) -> str:
    """Returns what two facts are compared by; of an occupation the head is the same for women and men."""
    if fact.relation.form == "isa":
        return neutral(_noun(fact))
    return fact.value.casefold()


def _noun(fact: Fact) -> str:
    """Returns what a fact says that somebody or something is, in the singular: "football player"."""
    before = fact.value.casefold().split(" ")[:-1]
    return " ".join([*before, fact.relation.word])


def _differ(book: Book, group: Group, a: Fact, b: Fact) -> bool:
    """Whether two values differ. An actor and singer shares an occupation with a singer."""
    if group[0] == "occupation":
        return not book.articles[a.title].occupations & book.articles[b.title].occupations
    return _value(a) != _value(b)


def _yes_no(book: Book, group: Group, a: Fact, b: Fact, rng: Random) -> str:
    one, two = book.articles[a.title].name, book.articles[b.title].name
    both = f"{one} and {two}"
    chosen = (a, b)[rng.randrange(2)]
    match group[0]:
        case "nationality" if not group[1]:
            patterns = [
                f"Are {both} of the same nationality?",
                f"Do {both} have the same nationality?",
                f"Are both {both} {chosen.value}?",
            ]
        case "nationality":
            patterns = [f"Are the {plural(group[1])} {both} from the same country?"]
        case "occupation":
            patterns = [
                f"Are {both} both {plural(_noun(chosen))}?",
                f"Do {both} have the same occupation?",
                f"Do {both} share the same profession?",
            ]
        case "kind":
            kind = plural(chosen.relation.word)
            patterns = [f"Are {both} both {kind}?", f"Are both {both} {kind}?"]
        case "place":
            patterns = [f"Are the {plural(group[1])} {both} {group[2]} in the same {group[3]}?"]
        case "maker":
            who = "person" if a.kind == "PERSON" else "company"
            patterns = [
                f"Were the {plural(group[1])} {both} {group[2]} by the same {who}?",
                f"Were {both} {group[2]} by the same {who}?",
            ]
        case _:
            helper = "Do" if a.relation.tense == "present" else "Did"
            patterns = [f"{helper} {both} {a.relation.word} {a.relation.prep} the same organization?"]
    return patterns[rng.randrange(len(patterns))]


def _draft(book: Book, a: Fact, b: Fact, question: str, answer: str, verdict: str, category: str) -> Draft:
    one, two = book.articles[a.title], book.articles[b.title]
    steps = (step_of(book, a, one.name, _need(one, a)), step_of(book, b, two.name, _need(two, b)))
    named = (one.name, two.name)
    return Draft("comparison", 2, question, answer, steps, (), verdict, "", category, named)


def _need(article: Article, fact: Fact) -> str:
    return "the kind" if fact.relation.form == "isa" and not article.person else ""
