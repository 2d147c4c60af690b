"""Draws the number of masks k of each task, so that all values of k have the wanted shares over the corpus.

Passages that allow many masks are rarer than passages that allow one. If k were drawn evenly among the
values that a passage allows, most tasks would have one mask. So the shares of high values are raised:
iterative proportional fitting on a sample of the corpus changes the shares until the drawn values have the
wanted shares, or come as close as the text allows. These changed shares are called tilted. The k of a
passage is drawn from the tilted shares and does not depend on other passages.
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
"""Number of masks k -> share above 0; the shares add up to 1."""

ROUNDS = 200
"""Iterations of the proportional fitting."""


def wanted_shares(settings: MaskSettings) -> dict[int, float]:
    """Returns the wanted share of each k. Raises UsageError if `weights` does not match `masks`."""
    low, high = mask_range(settings.masks)
    ks = range(low, high + 1)
    weights = settings.weights or (1.0,) * len(ks)
    if len(weights) != len(ks) or min(weights) < 0 or sum(weights) <= 0:
        raise UsageError(
            f"'weights' must be {len(ks)} shares of 0 or more, one for each number of masks in "
            f"{settings.masks}, "
            f"not all 0; it is {list(weights)}."
        )
    return {k: weight / sum(weights) for k, weight in zip(ks, weights, strict=True) if weight > 0}


def tilted(wanted: Shares, most: Iterable[int]) -> dict[int, float]:
    """Returns the shares to draw from, so that the values of k drawn for a sample have the `wanted` shares.

    If the sample does not allow this, the drawn values come as close as possible. `most` has, for each
    passage of the sample, the highest k that the passage allows.
    """
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
        # No share may become 0: some passage may allow only this k.
        shares = {k: max(share / scale, 1e-9) for k, share in shares.items()}
    return shares


def draw_count(shares: Shares, most: int, rng: Random) -> int | None:
    """Draws k for a passage that allows up to `most` masks; None if every k in `shares` is higher."""
    allowed = [k for k in shares if k <= most]
    return rng.choices(allowed, [shares[k] for k in allowed])[0] if allowed else None


def apportion(shares: Shares, total: int) -> dict[int, int]:
    """Divides `total` tasks among the values of k in these shares, as whole numbers (largest remainders)."""
    quotas = {k: int(share * total) for k, share in shares.items()}
    rest = sorted(shares, key=lambda k: (quotas[k] - shares[k] * total, k))
    for k in itertools.islice(itertools.cycle(rest), total - sum(quotas.values())):
        quotas[k] += 1
    return quotas


class Selection:
    """Selects tasks up to a limit, in order, with a quota for each k.

    A task beyond the quota of its k is a spare. Spares are taken if the corpus ends before the limit is
    reached.
    """

    def __init__(self, wanted: Shares, limit: int | None) -> None:
        self.limit = limit
        self.left = apportion(wanted, limit) if limit else {}
        self.taken = 0
        # The places of the spare tasks; a place (see `wants`) takes eight bytes, far less than its task.
        self.spare = array("q")

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.taken >= self.limit

    def wants(self, masks: int, place: int) -> bool:
        """Whether a task with `masks` masks is taken: always without a limit, else within its quota.

        `place` is a number that identifies the task. The place of a task that is not taken is recorded as a
        spare.
        """
        if self.limit is not None:
            if self.left.get(masks, 0) <= 0:
                if len(self.spare) < self.limit:
                    self.spare.append(place)
                return False
            self.left[masks] -= 1
        self.taken += 1
        return True

    def fill_up(self) -> list[int]:
        """Takes spare tasks up to the limit and returns their places; called when the corpus is exhausted."""
        if self.limit is None:
            return []
        places = self.spare[: self.limit - self.taken].tolist()
        self.taken += len(places)
        return places
