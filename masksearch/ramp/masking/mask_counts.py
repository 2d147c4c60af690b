"""How many masks a task gets: drawn for each passage by itself, and yet spread over the range as asked.

Passages that allow many masks are rarer than those that allow one, so drawing evenly among what each allows would give mostly
one. The shares drawn with are therefore tilted until, over a sample of the corpus, what comes out is as asked, or as near as
the text allows (iterative proportional fitting). After that each passage is on its own: no passage's k depends on another's.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random

from masksearch.errors import UsageError
from masksearch.ramp.settings import MaskSettings, mask_range

Shares = Mapping[int, float]
"""k -> its share, adding up to 1; only those above 0."""

ROUNDS = 200


def wanted_shares(settings: MaskSettings) -> dict[int, float]:
    """The shares asked for. Raises UsageError where `weights` does not fit `masks`."""
    low, high = mask_range(settings.masks)
    ks = range(low, high + 1)
    weights = settings.weights or (1.0,) * len(ks)
    if len(weights) != len(ks) or min(weights) < 0 or sum(weights) <= 0:
        raise UsageError(
            f"'weights' must be {len(ks)} shares, one for each number of masks in {settings.masks}, not all 0; it is {list(weights)}."
        )
    return {k: weight / sum(weights) for k, weight in zip(ks, weights, strict=True) if weight > 0}


def tilted(wanted: Shares, most: Iterable[int]) -> dict[int, float]:
    """The shares to draw with, so that passages which allow `most` masks each come out as `wanted`, as nearly as they can."""
    histogram = Counter(number for number in most if number >= min(wanted))
    total = histogram.total()
    shares = dict(wanted)
    if not total:
        return shares
    for _ in range(ROUNDS):
        drawn = dict.fromkeys(shares, 0.0)
        for number, count in histogram.items():
            allowed = sum(share for k, share in shares.items() if k <= number)
            for k, share in shares.items():
                if k <= number and allowed > 0:
                    drawn[k] += count / total * share / allowed
        shares = {k: share * wanted[k] / drawn[k] if drawn[k] > 0 else share for k, share in shares.items()}
        scale = sum(shares.values())
        # A floor, so that a k that all others can take over does not vanish where it is the only one allowed.
        shares = {k: max(share / scale, 1e-9) for k, share in shares.items()}
    return shares


def draw_count(shares: Shares, most: int, rng: Random) -> int | None:
    """The k of a passage that allows up to `most` masks; None where it allows none that is wanted."""
    allowed = [k for k in shares if k <= most]
    return rng.choices(allowed, [shares[k] for k in allowed])[0] if allowed else None


def apportion(shares: Shares, total: int) -> dict[int, int]:
    """Whole numbers in these shares that add up to `total` (largest remainders)."""
    quotas = {k: int(share * total) for k, share in shares.items()}
    rest = sorted(shares, key=lambda k: (quotas[k] - shares[k] * total, k))
    for k in itertools.islice(itertools.cycle(rest), total - sum(quotas.values())):
        quotas[k] += 1
    return quotas


class Selection:
    """The tasks that a limit leaves, taken in order: as many of each k as asked, and of others only where the text runs out."""

    def __init__(self, wanted: Shares, limit: int | None) -> None:
        self.limit = limit
        self.left = apportion(wanted, limit) if limit else {}
        self.taken = 0
        # Places, not tasks: eight bytes each, however large the limit.
        self.spare = array("q")

    @property
    def full(self) -> bool:
        """Whether no more tasks are wanted."""
        return self.limit is not None and self.taken >= self.limit

    def wants(self, masks: int, place: int) -> bool:
        """Whether a task with so many masks is taken now; if not, its place is noted as a spare."""
        if self.limit is not None:
            if self.left.get(masks, 0) <= 0:
                if len(self.spare) < self.limit:
                    self.spare.append(place)
                return False
            self.left[masks] -= 1
        self.taken += 1
        return True

    def fill_up(self) -> list[int]:
        """The places of the spare tasks that fill the limit when there is no more text."""
        if self.limit is None:
            return []
        places = self.spare[: self.limit - self.taken].tolist()
        self.taken += len(places)
        return places
