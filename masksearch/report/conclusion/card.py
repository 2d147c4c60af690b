"""The card at the top of the page: for each suite the score before and after, and the verdict in words.

The verdict is that of the paired test that the headlines and the list "Not shown" have too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.evaluation.tables import percent
from masksearch.report.conclusion.headline import HOW, count, is_step
from masksearch.report.conclusion.paired import METRIC, Difference, Tests
from masksearch.report.conclusion.suites import Side, Suite, label_of

MOST_MODELS = 3
"""Maximum number of figures of a suite without a trained model."""


@dataclass(frozen=True)
class Figure:
    """The score of one model on a suite."""

    name: str
    """What the model is in the comparison: `before`, `after`, or its own name."""
    score: str
    """Its F1 in percent; empty if it is unknown."""
    count: str
    """Its right answers: `79 of 100 right`."""


@dataclass(frozen=True)
class Card:
    """One suite on the card: one score, or two and what the test of their difference shows."""

    suite: str
    figures: tuple[Figure, ...]
    paired: bool
    """Whether the figures are a score before and a score after."""
    sign: str
    """`better`, `worse`, `not shown`, or empty without a test."""
    verdict: str
    """The verdict in words: `+5.8 points: not shown`."""
    test: str
    """The test: interval, number of questions and p; without a test, the reason."""


def cards(suites: Sequence[Suite], tests: Tests) -> list[Card]:
    """Returns the card's entries, one for each suite with its original search."""
    return [_card(suite, tests) for suite in suites if suite.sides]


def _card(suite: Suite, tests: Tests) -> Card:
    after = suite.after
    if after is None:
        shown = suite.sides[:MOST_MODELS]
        left = len(suite.sides) - len(shown)
        more = f"; {left} more evaluation{'s' * (left > 1)} below" if left else ""
        figures = tuple(_figure(label_of(side), side) for side in shown)
        return Card(suite.name, figures, False, "", "", f"No trained model was evaluated{more}.")
    other, name, own = reference(suite)
    if other is None:
        why = "Not measured before training, so no gain is shown."
        return Card(suite.name, (_figure(own, after),), False, "", "", why)
    figures = (_figure(name, other), _figure(own, after))
    test = tests.between(after, other)
    if test is None:
        return Card(suite.name, figures, True, "", "", "The two results cannot be compared.")
    return Card(suite.name, figures, True, test.verdict, verdict_of(test), _test(test, after, other))


def reference(suite: Suite) -> tuple[Side | None, str, str]:
    """Returns the evaluation that the last trained model is compared with, and the names of both.

    It is the untrained model with the same method, or else with its best method, or else another trained
    model; None without any.
    """
    if suite.before:
        return suite.before, "before", "after"
    best = max(suite.bare, key=lambda side: side.right / side.n, default=None)
    if best:
        return best, f"untrained, {HOW[best.method]}", "after"
    after = suite.after
    if after is None or not suite.steps:
        return None, "", "after"
    other = suite.steps[-1]
    name = other.maker or other.name
    return other, f"after {name}" if is_step(other, after) else name, after.maker or after.name


def _figure(name: str, side: Side) -> Figure:
    score = side.mean(METRIC)
    return Figure(name, "" if score is None else percent(score), f"{count(side)} of {side.n} right")


def verdict_of(test: Difference) -> str:
    """Returns a test's verdict in words: `+5.8 points: not shown`, `+77.0 points: shown, p 0.002`."""
    points = f"{percent(test.value, signed=True)} points"
    words = {"better": "shown", "worse": "worse", "not shown": "not shown"}[test.verdict]
    return f"{points}: {words}" + (f", p {test.chance}" if test.shown else "")


def _test(test: Difference, after: Side, before: Side) -> str:
    """Returns `95% interval [-1.7, +13.3], p 0.130, corrected`.

    For several seeds, and for a part of the questions, it ends with what was tested.
    """
    low, high = (percent(bound, signed=True) for bound in (test.low, test.high))
    parts = [f"95% interval [{low}, {high}]"]
    parts += [] if test.shown else [f"p {test.chance}, corrected"]
    if test.unit:
        parts.append(test.unit)
    elif test.n < max(after.n, before.n):
        parts.append(f"over the {test.n} questions that both answered")
    return ", ".join(parts)
