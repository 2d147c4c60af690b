"""Draws the k spans of a passage to mask, without replacement and with a word between any two of them.

The random generator belongs to the passage. Without a preference all sets of spans are equally likely
(the paper's random masking). Otherwise spans are drawn in proportion to a strategy's weights, or taken by
rank, the highest first. The last two methods first order the spans (at random by weight, or by rank). In this
order they take each span that has a word between itself and every taken span, unless it leaves no room
for the spans still to be taken. So they find k spans whenever the passage has k spans with a word between
any two.
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
    """One finite weight of 0 or more per span. Empty: all spans are equal."""
    ranked: bool = False
    """True: takes the k spans with the highest weights (ties: the earlier span). False: draws k spans in
    proportion to the weights."""


ALIKE = Preference(())
"""No preference."""


def apart(text: str, first: Span, second: Span) -> bool:
    """Whether the second span follows the first with a word between them."""
    return first.end <= second.start and SURFACE.search(text, first.end, second.start) is not None


def spread(text: str, spans: Sequence[Span]) -> list[Span]:
    """Returns a largest set of spans with a word between any two, chosen from the left."""
    kept: list[Span] = []
    # Greedy by end: a span that is apart from one span is apart from every span that ends earlier, too.
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
    """Draws k spans that are apart, every set equally likely.

    In the rare passages where 20 draws give no k spans that are apart, k spans of the set `most` are drawn.
    """
    for _ in range(20):
        drawn = sorted(rng.sample(list(spans), k), key=lambda span: span.start)
        if len(spread(text, drawn)) == k:
            return drawn
    return sorted(rng.sample(list(most), k), key=lambda span: span.start)


def _by_rank(weights: Sequence[float]) -> list[int]:
    """Returns indices by falling weight; ties keep their order."""
    return sorted(range(len(weights)), key=lambda place: (-weights[place], place))


def _in_proportion(weights: Sequence[float], rng: Random) -> list[int]:
    """Returns indices in random order: each draw is by weight from the remaining indices.

    Indices of weight 0 come last, in random order. Exponential waiting times with the weights as rates
    end in exactly this order, also when some of them are skipped (Efraimidis and Spirakis, 2006).
    """
    times = [
        (weight == 0, rng.expovariate(1.0) / (weight or 1.0), place) for place, weight in enumerate(weights)
    ]
    return [place for _, _, place in sorted(times)]


def _take_in_order(text: str, spans: Sequence[Span], k: int, order: Iterable[int]) -> list[Span]:
    """Takes the first k spans in order that are apart; skips a span that would leave too few spans."""
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
    """Whether two spans, in any order, have a word between them."""
    return apart(text, first, second) or apart(text, second, first)
