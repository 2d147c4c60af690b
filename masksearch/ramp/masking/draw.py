"""Draws the k spans of a passage to mask, without replacement and with a word between any two of them.

Two spans with a word between them are called apart. The random generator is seeded per passage. There are
three methods:

    no preference   All sets of k spans that are apart are equally likely (the paper's random masking).
    by weight       Spans are ordered at random, in proportion to a strategy's weights.
    by rank         Spans are ordered by a strategy's weights, the highest first.

With weights or ranks, the spans are taken in this order. A span is skipped if it is not apart from a taken
span, or if it leaves no room for the spans that are still needed. So k spans are found whenever the passage
has k spans that are apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from masksearch.text.words import SURFACE
from masksearch.types import Span


@dataclass(frozen=True)
class Preference:
    """The weights that a strategy gives to the usable spans of one passage."""

    weights: tuple[float, ...]
    """One finite weight of 0 or more per span. Empty: no preference."""
    ranked: bool = False
    """True: takes the k spans with the highest weights (ties: the earlier span). False: draws k spans in
    proportion to the weights."""


ALIKE = Preference(())
"""No preference: all spans are alike."""


def apart(text: str, first: Span, second: Span) -> bool:
    """Whether the second span follows the first span with at least one word between them."""
    return first.end <= second.start and SURFACE.search(text, first.end, second.start) is not None


def spread(text: str, spans: Sequence[Span]) -> list[Span]:
    """Returns as many spans as possible with a word between any two, chosen from the left."""
    kept: list[Span] = []
    # Greedy choice by end is optimal: it leaves the most room for the spans that follow.
    for span in sorted(spans, key=lambda span: (span.end, span.start)):
        if not kept or apart(text, kept[-1], span):
            kept.append(span)
    return kept


def draw(
    text: str, spans: Sequence[Span], k: int, rng: Random, preference: Preference | None = None
) -> list[Span] | None:
    """Draws k spans with a word between any two; returns them in text order, or None if impossible.

    Raises ValueError for a preference without exactly one finite weight of 0 or more per span.
    """
    most = spread(text, spans)
    if not 0 < k <= len(most):
        return None
    if preference is None or not preference.weights:
        return _draw_uniformly(text, spans, k, rng, most)
    if len(preference.weights) != len(spans) or not all(
        weight >= 0 and math.isfinite(weight) for weight in preference.weights
    ):
        raise ValueError(
            f"{len(spans)} spans need {len(spans)} finite weights of 0 or more, but the weights are "
            f"{list(preference.weights)}"
        )
    weights = preference.weights
    order = _by_rank(weights) if preference.ranked else _in_proportion(weights, rng)
    return _take_in_order(text, spans, k, order)


def _draw_uniformly(
    text: str, spans: Sequence[Span], k: int, rng: Random, most: Sequence[Span]
) -> list[Span]:
    """Draws k spans that are apart; every set of such spans is equally likely.

    Draws any k spans, and repeats the draw up to 20 times until the spans are apart. If all draws fail,
    which is rare, k spans are drawn from `most`, a largest set of spans that are apart.
    """
    for _ in range(20):
        drawn = sorted(rng.sample(list(spans), k), key=lambda span: span.start)
        if len(spread(text, drawn)) == k:
            return drawn
    return sorted(rng.sample(list(most), k), key=lambda span: span.start)


def _by_rank(weights: Sequence[float]) -> list[int]:
    """Returns the indices of the spans, the highest weight first; ties keep the order of the text."""
    return sorted(range(len(weights)), key=lambda place: (-weights[place], place))


def _in_proportion(weights: Sequence[float], rng: Random) -> list[int]:
    """Returns indices in random order: each next index is drawn by weight from the remaining indices.

    Indices of weight 0 come last, in random order. The function draws an exponential waiting time for each
    index, with the weight as rate, and sorts the times. This gives exactly the same distribution, also when
    the caller skips some indices (Efraimidis and Spirakis, 2006).
    """
    times = [
        (weight == 0, rng.expovariate(1.0) / (weight or 1.0), place) for place, weight in enumerate(weights)
    ]
    return [place for _, _, place in sorted(times)]


def _take_in_order(text: str, spans: Sequence[Span], k: int, order: Iterable[int]) -> list[Span]:
    """Takes k spans that are apart, in this order; skips a span that would make k spans impossible."""
    taken: list[Span] = []
    left = list(spans)
    for place in order:
        span = spans[place]
        if span not in left:
            continue
        rest = [other for other in left if _fit_together(text, span, other)]
        if len(taken) + 1 + len(spread(text, rest)) >= k:
            taken.append(span)
            left = rest
            if len(taken) == k:
                break
        else:
            left.remove(span)
    return sorted(taken, key=lambda span: span.start)


def _fit_together(text: str, first: Span, second: Span) -> bool:
    """Whether two spans are apart, whichever of them comes first in the text."""
    return apart(text, first, second) or apart(text, second, first)
