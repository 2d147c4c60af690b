"""Comparisons over a bridge: of what two facts name ("Which film has the director who was born first?")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from random import Random

from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.book.dates import order, sortable
from masksearch.ramp.chains.records import Draft, Fact
from masksearch.ramp.chains.shapes.base import links, seeded, step_of
from masksearch.ramp.chains.wording.needs import need_of
from masksearch.ramp.chains.wording.plurals import plural
from masksearch.types import ChainStep

ROUNDS = 2
"""Number of times that a description is paired with another one."""
_WHICH = {
    "born": (
        ("Which {noun} has the {need} who was born first, {a} or {b}?", "before"),
        ("Which {noun} has the {need} who was born earlier, {a} or {b}?", "before"),
        ("Which {noun}'s {need} is older, {a} or {b}?", "before"),
        ("Which {noun} has the {need} who was born later, {a} or {b}?", "after"),
        ("Which {noun}'s {need} is younger, {a} or {b}?", "after"),
    ),
    "died": (
        ("Which {noun} has the {need} who died first, {a} or {b}?", "before"),
        ("Which {noun} has the {need} who died earlier, {a} or {b}?", "before"),
        ("Which {noun} has the {need} who died later, {a} or {b}?", "after"),
    ),
}
Row = tuple[Fact, Fact]
"""(the fact that names the bridge, the fact about the bridge)."""


def bridged_comparisons(book: Book, seed: int, most: int) -> Iterator[Draft]:
    """Yields comparisons of two articles by a fact about what their own facts name."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for known in links(book, seed):
        (fact,), found = known.facts, known.article
        noun = book.articles[fact.title].noun
        if not (noun and found.person):
            continue
        for last in found.facts:
            if last.relation.form in ("born", "died", "nationality") and found.is_single(last):
                groups[(noun, need_of(book.with_kind(fact), ""), last.relation.form)].append((fact, last))
    for group, rows in sorted(groups.items()):
        rng = seeded(seed, "bridged", *group)
        seen = set()
        for _ in range(ROUNDS):
            rng.shuffle(rows)
            for one, two in zip(rows[::2], rows[1::2], strict=False):
                pair = frozenset((one[0].title, two[0].title))
                if len(pair) == 2 and pair not in seen and one[1].title != two[1].title:
                    seen.add(pair)
                    yield from _compared(book, group[0], group[1].removeprefix("the "), one, two, rng)


def _compared(book: Book, noun: str, need: str, one: Row, two: Row, rng: Random) -> Iterator[Draft]:
    a, b = book.articles[one[0].title], book.articles[two[0].title]
    form = one[1].relation.form
    if form == "nationality":
        patterns = [
            f"Do the {plural(noun)} {a.name} and {b.name} have {plural(need)} of the same nationality?",
            f"Are the {plural(need)} of the {plural(noun)} {a.name} and {b.name} of the same nationality?",
            f"Do both {plural(noun)}, {a.name} and {b.name}, have {plural(need)} from the same country?",
        ]
        question, verdict = patterns[rng.randrange(len(patterns))], "same"
        answer = "yes" if one[1].value == two[1].value else "no"
    else:
        x, y = sortable(one[1].value), sortable(two[1].value)
        sign = order(x, y) if x and y else 0
        if sign == 0:
            return
        pattern, verdict = _WHICH[form][rng.randrange(len(_WHICH[form]))]
        question = pattern.format(noun=noun, need=need, a=a.name, b=b.name)
        answer = a.name if (sign < 0) == (verdict == "before") else b.name
    steps = tuple(step for row in (one, two) for step in _steps(book, noun, row))
    yield Draft(
        "bridge-comparison",
        4,
        question,
        answer,
        steps,
        (steps[0].value, steps[2].value),
        verdict,
        category="YESNO" if verdict == "same" else "NAME",
        named=(a.name, b.name),
    )


def _steps(book: Book, noun: str, row: Row) -> tuple[ChainStep, ChainStep]:
    fact, last = row
    article, bridge = book.articles[fact.title], book.articles[last.title]
    # The question names the noun alone ("film"), so the step may not say "comedy film".
    known = article.name if noun in article.name.lower() else f"the {noun} {article.name}"
    return step_of(book, fact, known), step_of(book, last, bridge.name)
