"""Which k of a passage's usable spans are masked: drawn without replacement, any two with a word between them.

Drawn with a generator that belongs to the passage, in proportion to the weights a strategy gives (all the same: the paper's
random masking), or, where the strategy ranks, the highest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from masksearch.ramp.words import SURFACE
from masksearch.types import Span


@dataclass(frozen=True)
class Preference:
    """What a strategy thinks of the usable spans of one passage."""

    weights: tuple[float, ...]
    """One for each span, 0 or more."""
    ranked: bool = False
    """The k highest are taken (of equals the earlier ones); otherwise k are drawn in proportion."""


def apart(text: str, first: Span, second: Span) -> bool:
    """Whether a word stands between two spans that follow each other."""
    return bool(SURFACE.search(text[first.end : second.start]))


def spread(text: str, spans: Sequence[Span]) -> list[Span]:
    """The most spans that can stand together, from the left."""
    kept: list[Span] = []
    for span in spans:
        if not kept or (kept[-1].end <= span.start and apart(text, kept[-1], span)):
            kept.append(span)
    return kept


def draw(text: str, spans: Sequence[Span], k: int, rng: Random, preference: Preference | None = None) -> list[Span] | None:
    """k spans in text order, any two with a word between; None where there are not so many."""
    most = spread(text, spans)
    if not 0 < k <= len(most):
        return None
    for _ in range(20):
        drawn = sorted(rng.sample(list(spans), k), key=lambda span: span.start)
        if len(spread(text, drawn)) == k:
            return drawn
    return sorted(rng.sample(most, k), key=lambda span: span.start)
