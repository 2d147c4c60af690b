"""Axes of charts: tick values, positions, and the places of labels that must not overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Returns the tick values of an axis: about `count` values that cover [low, high].

    The step between two ticks is 1, 2 or 5 times a power of 10.
    """
    span = high - low
    if span <= 0:
        return [low]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def positions(values: Sequence[float], ratio: bool) -> dict[float, float]:
    """Returns the place of each value on an axis from 0 to 1; a single value is in the middle.

    With `ratio` equal ratios have nearly equal distances: the place is log(1 + value / smallest value above
    0), which has a place for 0 as well.
    """
    smallest = min((value for value in values if value > 0), default=1.0)
    raw = {value: math.log1p(value / smallest) if ratio else value for value in values}
    low, high = min(raw.values()), max(raw.values())
    if high == low:
        return dict.fromkeys(raw, 0.5)
    return {value: (place - low) / (high - low) for value, place in raw.items()}


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Returns places at least `gap` apart and within [low, high], near the given ones and in their order.

    Without room for all of them, the distances are equal and smaller than `gap`.
    """
    if not places:
        return []
    order = sorted(range(len(places)), key=places.__getitem__)
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    moved = [0.0] * len(places)
    before = -math.inf
    for rank, index in enumerate(order):
        latest = high - gap * (len(order) - 1 - rank)
        moved[index] = min(latest, max(low, before + gap, places[index]))
        before = moved[index]
    return moved
