"""Mixes the rows of several sources by their shares: how many rows of a batch come from which source.

A source is one entry of the settings `trajectories` or `replay`. Rows are drawn from *parts*: with `shares`
each source is a part, without them all `trajectories` together are one part; the sources of `replay` are
another part. Within a part the rows come in shuffled passes, so a row is repeated only after all others were
drawn. The order depends only on the seed, the step and the curriculum's state, so a resumed run draws the
same batches.

Shares are counted in whole rows. What a batch cannot give a part, because its share of the batch is no whole
number, the next batches give: `divide` keeps each part as near to its share of all rows so far as it can.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from masksearch.errors import TrainingError
from masksearch.train.curriculum import Curriculum, index_at
from masksearch.train.loss_mask import Encoded
from masksearch.train.settings import SftSettings

WINDOW = 8
"""Number of consecutive batches that exchange rows, so that a batch has rows of similar length."""


def scaled(shares: Sequence[float]) -> tuple[Fraction, ...]:
    """Returns the shares as fractions with the sum 1. Fractions make the batches exact on any machine."""
    exact = [Fraction(str(share)) for share in shares]
    return tuple(share / sum(exact) for share in exact)


def divide(shares: Sequence[Fraction], sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Divides batches of `sizes` rows among parts: returns each batch's number of rows of each part.

    The shares add up to 1. A row goes to the part that lacks most rows at the end of its batch; of equal
    parts the first one gets it.
    """
    # Whole numbers, because fractions are slow: a share is its weight / scale.
    scale = math.lcm(*(share.denominator for share in shares))
    weights = [int(share * scale) for share in shares]
    total, given = 0, [0] * len(shares)
    batches = []
    for size in sizes:
        total += size
        before = list(given)
        for _ in range(size):
            lacking = [weight * total - scale * count for weight, count in zip(weights, given, strict=True)]
            given[lacking.index(max(lacking))] += 1
        batches.append(tuple(now - then for now, then in zip(given, before, strict=True)))
    return batches


@dataclass(frozen=True)
class Drawn:
    """The rows of one batch, one list for each part; the last part is the replay, if there is any."""

    parts: tuple[tuple[Encoded, ...], ...]

    @property
    def rows(self) -> list[Encoded]:
        """All rows, sorted by length, so that rows of similar length share a micro-batch."""
        return sorted((row for part in self.parts for row in part), key=lambda row: len(row.input_ids))


@dataclass
class Mixture:
    """The parts of a training and their shares of a batch of `size` rows.

    `rows` are the rows of `trajectories`, which a curriculum orders; `parts` has the indices of each part's
    rows in it, `shares` the part's share of the rows that are no replay. `replayed` are the rows of `replay`,
    which take `replay_share` of every batch and belong to no stage of the curriculum.
    """

    rows: Sequence[Encoded]
    parts: tuple[tuple[int, ...], ...]
    shares: tuple[Fraction, ...]
    replayed: Sequence[Encoded]
    replay_share: Fraction
    size: int
    seed: int
    _counts: dict[tuple[int, int], list[tuple[int, ...]]] = field(default_factory=dict)
    """Cache: (stage, its first step) -> rows of each part before each step of the stage, from the first."""
    _members: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    """Cache: stage -> part -> the part's rows in the stage."""

    def steps(self, pools: Sequence[Sequence[int]], settings: SftSettings) -> int:
        """Returns the number of optimizer steps: `max_steps`, otherwise enough to see the rows of the first
        part `epochs` times. `pools` has the rows of each stage of the curriculum."""
        if settings.max_steps:
            return settings.max_steps
        used = {index for pool in pools for index in pool}
        seen = len(used.intersection(self.parts[0])) * Fraction(str(settings.epochs))
        share = self.shares[0] * (1 - self.replay_share)
        return max(1, math.ceil(seen / share / self.size))

    def replay_before(self, step: int) -> int:
        """Returns the number of rows of replay in all batches before `step`."""
        return math.floor(self.replay_share * self.size * step)

    def draw(
        self, stage: int, pool: Sequence[int], start: int, step: int, order: Sequence[int] | None = None
    ) -> Drawn:
        """Returns the rows of a step (from 0) in a stage of the curriculum that started at the step `start`.

        `pool` has the stage's rows. The rows of a part come in shuffled passes; with `order`, the rows of
        the pool drawn by solve rate for this step, they come in that order. A part without rows in the stage
        leaves its share to the others.
        """
        if stage not in self._members:
            self._members[stage] = self._of_pool(pool)
        members = self._members[stage]
        before, now = self._count(stage, start, step, members)
        drawn = []
        for number, indices in members.items():
            low, high = before[number], now[number]
            name = f"{self.seed}:{stage}:{number}"
            if order is not None:
                chosen = set(indices)
                first = [index for index in order if index in chosen][: high - low]
                picked = [first[place % len(first)] for place in range(high - low)]
            else:
                picked = [indices[index_at(place, len(indices), name)] for place in range(low, high)]
            drawn.append(tuple(self.rows[index] for index in picked))
        if self.replayed:
            places = range(self.replay_before(step), self.replay_before(step + 1))
            drawn.append(
                tuple(
                    self.replayed[index_at(place, len(self.replayed), f"{self.seed}:replay")]
                    for place in places
                )
            )
        return Drawn(tuple(drawn))

    def _of_pool(self, pool: Sequence[int]) -> dict[int, list[int]]:
        """Returns the rows of each part that are in the pool; leaves out parts without any."""
        inside = set(pool)
        found = {
            number: [index for index in part if index in inside] for number, part in enumerate(self.parts)
        }
        return {number: indices for number, indices in found.items() if indices}

    def _count(
        self, stage: int, start: int, step: int, members: dict[int, list[int]]
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Returns the number of rows of each part since the start of the stage, before and after a step."""
        counts = self._counts.setdefault((stage, start), [])
        while len(counts) < step - start + 2:
            # Doubled, because `divide` starts from the stage's first step each time.
            steps = max(64, 2 * len(counts), step - start + 1)
            sizes = [
                self.size - self.replay_before(place + 1) + self.replay_before(place)
                for place in range(start, start + steps)
            ]
            total = sum(self.shares[number] for number in members)
            shares = [self.shares[number] / total for number in members]
            sums = [tuple(0 for _ in shares)]
            for batch in divide(shares, sizes):
                sums.append(tuple(sum(pair) for pair in zip(sums[-1], batch, strict=True)))
            counts[:] = sums
        before, now = counts[step - start], counts[step - start + 1]
        return dict(zip(members, before, strict=True)), dict(zip(members, now, strict=True))


def arrange_mixture(mixture: Mixture, curriculum: Curriculum) -> list[Encoded]:
    """Returns the rows of a mixture in training order, stage by stage of the curriculum.

    Within windows of eight batches the rows of each part are exchanged between the batches, so that a batch
    has rows of similar length, and the batches are shuffled; each batch keeps its number of rows of each
    part.
    """
    order: list[Encoded] = []
    for stage, (pool, end) in enumerate(zip(curriculum.pools, curriculum.ends, strict=True)):
        start = len(order) // mixture.size
        rng = random.Random(f"{mixture.seed}:{stage}:batches")
        for first in range(start, end, WINDOW):
            steps = range(first, min(first + WINDOW, end))
            batches = _by_length([mixture.draw(stage, pool, start, step) for step in steps])
            rng.shuffle(batches)
            order += [row for batch in batches for row in batch.rows]
    return order


def _by_length(batches: Sequence[Drawn]) -> list[Drawn]:
    """Returns batches with the same rows and as many of each part, the shortest rows in the first batch."""
    columns = []
    for part in zip(*(batch.parts for batch in batches), strict=True):
        rows = sorted((row for rows in part for row in rows), key=lambda row: len(row.input_ids))
        left = iter(rows)
        columns.append([tuple(next(left) for _ in rows) for rows in part])
    return [Drawn(parts) for parts in zip(*columns, strict=True)]


def check_stages(mixture: Mixture, curriculum: Curriculum, names: Sequence[str]) -> None:
    """Raises TrainingError if a part has a share but no row in any stage of the curriculum; `names` are the
    names of the parts."""
    used = {index for pool in curriculum.pools for index in pool}
    for name, part in zip(names, mixture.parts, strict=True):
        if used.isdisjoint(part):
            raise TrainingError(
                f"shares gives rows to {name}, but none of its trajectories belongs to a stage of the "
                "curriculum; name it in replay, leave it out, or set curriculum.order to mixed."
            )
