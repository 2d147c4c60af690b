"""Which k of a passage's usable spans are masked: drawn without replacement, any two with a word between them.

Drawn with a generator that belongs to the passage: all alike (the paper's random masking), in proportion to the weights a strategy gives,
or, where the strategy ranks, the highest first. The last two go through the spans in an order and take each that stands apart from those
taken and leaves room for the rest, so that there are k masks wherever k can stand together at all.
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
    """What a strategy thinks of the usable spans of one passage."""

    weights: tuple[float, ...]
    """One for each span, 0 or more; none at all: they are all alike."""
    ranked: bool = False
    """The k highest are taken (of equals the earlier ones); otherwise k are drawn in proportion."""


ALIKE = Preference(())
"""No preference."""


def apart(text: str, first: Span, second: Span) -> bool:
    """Whether a word stands between two spans that follow each other."""
    return first.end <= second.start and SURFACE.search(text, first.end, second.start) is not None


def spread(text: str, spans: Sequence[Span]) -> list[Span]:
    """The most spans that can stand together, from the left."""
    kept: list[Span] = []
    # Whatever stands apart from a span stands apart from one that ends before it, too: the first to end is never a bad choice.
    for span in sorted(spans, key=lambda span: (span.end, span.start)):
        if not kept or apart(text, kept[-1], span):
            kept.append(span)
    return kept


def draw(
    text: str, spans: Sequence[Span], k: int, rng: Random, preference: Preference | None = None
) -> list[Span] | None:
    """k spans in text order, any two with a word between; None where there are not so many.

    Raises ValueError where a preference does not have one weight, a number of 0 or more, for each span.
    """
    most = spread(text, spans)
    if not 0 < k <= len(most):
        return None
    if preference is None or not preference.weights:
        return _any(text, spans, k, rng, most)
    if len(preference.weights) != len(spans) or not all(
        weight >= 0 and math.isfinite(weight) for weight in preference.weights
    ):
        raise ValueError(
            f"{len(spans)} spans need as many weights, none below 0 or infinite, not {list(preference.weights)}"
        )
    return _first(
        text,
        spans,
        k,
        _ranked(preference.weights) if preference.ranked else _in_proportion(preference.weights, rng),
    )


def _any(text: str, spans: Sequence[Span], k: int, rng: Random, most: Sequence[Span]) -> list[Span]:
    """Any k that stand apart, all such sets alike; of the few passages where they are hard to hit upon, k of those farthest to the left."""
    for _ in range(20):
        drawn = sorted(rng.sample(list(spans), k), key=lambda span: span.start)
        if len(spread(text, drawn)) == k:
            return drawn
    return sorted(rng.sample(list(most), k), key=lambda span: span.start)


def _ranked(weights: Sequence[float]) -> list[int]:
    return sorted(range(len(weights)), key=lambda place: (-weights[place], place))


def _in_proportion(weights: Sequence[float], rng: Random) -> list[int]:
    """A random order: the next is drawn, in proportion to its weight, from those left. What weighs nothing comes last, in any order.

    Waiting times with rates `weights` end in just this order, whichever of them are passed over (Efraimidis and Spirakis, 2006).
    """
    times = [
        (weight == 0, rng.expovariate(1.0) / (weight or 1.0), place) for place, weight in enumerate(weights)
    ]
    return [place for _, _, place in sorted(times)]


def _first(text: str, spans: Sequence[Span], k: int, order: Iterable[int]) -> list[Span]:
    """The first k in order that can stand together, where k can: one that would leave too few others is passed over."""
    taken: list[Span] = []
    left = list(spans)
    for place in order:
        span = spans[place]
        if span not in left:
            continue
        rest = [other for other in left if _stand_together(text, span, other)]
        if len(taken) + 1 + len(spread(text, rest)) >= k:
            taken.append(span)
            left = rest
            if len(taken) == k:
                break
        else:
            left.remove(span)
    return sorted(taken, key=lambda span: span.start)


def _stand_together(text: str, one: Span, other: Span) -> bool:
    return apart(text, one, other) or apart(text, other, one)
