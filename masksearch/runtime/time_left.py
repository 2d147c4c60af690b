"""Estimates how long a counted piece of work still takes, from the times at which its items were done.

Items that are done one after the other give a rate; the newer half of them counts, so that a slow first step
or a change of speed soon stops to matter. Items that are done in parallel slots need more care: the first
that end are the shortest, and the others are partly done. There we estimate with several assumptions about
the items in flight. The estimates are far apart at first; until they agree, the expected time decides
between them, and without an expected time there is no estimate.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

IN_FLIGHT = (0.0, 0.66, 1.3)
"""Assumptions about the work that is done in items in flight: a factor for their age as a share of the mean
duration. 0 counts only what is finished; with 1.3 all items take equally long."""
AGREE = 3.0
"""Largest factor between the estimates by these assumptions at which they count as agreeing."""
LEAST_DONE, LEAST_SHARE = (2, 10), 0.01
"""The rate of sequential items is estimated from this share of them on: from 2 at least, from 10 at most."""
TRUSTED_SHARE = 0.1
"""Share of sequential items from which on the expected time no longer counts."""
TRUST = 3.0
"""Number of finished items that counts as much as the expected time, below TRUSTED_SHARE."""
SMOOTHING = 0.04
"""Share of the time, or of the items, over which the shown estimate follows a new one."""
MOST_MARKS, MOST_DURATIONS = 400, 200
SHARING, INDEPENDENCE = 0.35, 0.85
"""Weight of the time of independent slots, for slots that share this machine and for requests to another."""


class TimeLeft:
    """The time left for `total` items, of which `parallel` are in flight at a time.

    All times are seconds on a clock that the caller reads. `expected` is the duration that the whole work
    should have, if it is known; it counts until enough items are done.
    """

    def __init__(
        self,
        total: int,
        start: float,
        parallel: int = 1,
        expected: float | None = None,
        shared: bool = True,
    ) -> None:
        self.total, self.start, self.parallel, self.expected = total, start, max(1, parallel), expected
        self.shared = shared
        """Whether the slots share this machine; otherwise they are requests to a machine with room."""
        self.done = 0
        """Number of items that were done in the measured time."""
        self.marks: list[tuple[int, float]] = [(0, start)]
        """(items done, time), thinned out when there are many."""
        self.flying: deque[float] = deque()
        """Starting times of the items in flight, the earliest first. An item that ends counts as the
        earliest, because we do not know which one it is."""
        self.durations: deque[float] = deque(maxlen=MOST_DURATIONS)
        self.shown: tuple[float, float, int] | None = None
        """(time, seconds left, items done) of the last estimate."""

    def skip(self, count: int) -> None:
        """Counts items that an earlier attempt has done; they took no time."""
        self.total -= count
        while len(self.flying) > max(self.total - self.done, 0):
            self.flying.pop()

    def step(self, count: int, now: float) -> None:
        """Counts items that are done now."""
        if not self.done:
            self._take_off(self.start)
        self.done += count
        self.marks.append((self.done, now))
        if len(self.marks) > MOST_MARKS:
            self.marks = [*self.marks[:-1:2], self.marks[-1]]
        for _ in range(min(count, len(self.flying))):
            self.durations.append(now - self.flying.popleft())
        self._take_off(now)

    def _take_off(self, now: float) -> None:
        if self.parallel > 1:
            while len(self.flying) < min(self.parallel, self.total - self.done):
                self.flying.append(now)

    def left(self, now: float) -> float | None:
        """Returns the seconds left; None as long as there is no basis for an estimate."""
        fresh = self._in_parallel(now) if self.parallel > 1 else self._one_by_one(now)
        if fresh is None:
            return None
        if self.shown is not None:
            before, value, done = self.shown
            predicted = max(value - (now - before), 0.0)
            news = (now - before) / (now - self.start) if now > before else 0.0
            news += (self.done - done) / self.total
            fresh = predicted + (1 - math.exp(-news / SMOOTHING)) * (fresh - predicted)
        self.shown = (now, fresh, self.done)
        return fresh

    def _expected_left(self, now: float) -> float | None:
        """Returns what is left of the expected time; None if it is unknown or over."""
        left = None if self.expected is None else self.expected - (now - self.start)
        return left if left is not None and left > 0 else None

    def _one_by_one(self, now: float) -> float | None:
        expected = self._expected_left(now)
        if self.done < min(max(LEAST_DONE[0], self.total * LEAST_SHARE), LEAST_DONE[1]):
            return expected
        half = max(self.done // 2, 1)
        from_done, since = next((done, at) for done, at in self.marks if done >= half)
        last = self.marks[-1][1]
        if from_done == self.done:  # one step counted them all
            from_done, since = 0, self.start
        each = (last - since) / (self.done - from_done)
        measured = max((self.total - self.done) * each - (now - last), 0.0)
        trusted = max(self.done / (self.done + TRUST), min(1.0, self.done / self.total / TRUSTED_SHARE))
        return measured if expected is None else _between(expected, measured, trusted)

    def _in_parallel(self, now: float) -> float | None:
        expected = self._expected_left(now)
        if not self.done:
            return expected
        most, middle, least = (self._left_if(factor, now) for factor in IN_FLIGHT)
        if expected is None:
            return middle if most <= AGREE * least else None
        trusted = min(1.0, self.done / self.parallel)
        return _between(min(max(expected, least), most), middle, trusted)

    def _left_if(self, factor: float, now: float) -> float:
        """Returns the seconds left by one assumption about the items in flight.

        The time is between that of slots that share a machine, where items are faster beside fewer others,
        and that of slots whose items take equally long beside any number of others.
        """
        busy = (now - self.start) * self.parallel
        ages = [now - at for at in self.flying]
        mean = busy / self.done
        for _ in range(4):
            mean = busy / (self.done + factor * sum(min(1.0, age / mean) for age in ages))
        waiting = self.total - self.done - len(ages)
        if not ages:
            return 0.0
        # The longer an item has been in flight, the less is left; never nothing if durations vary. Taking the
        # earliest item for the one that ends hides most of the variation.
        varied = min(1.0, 4 * _variation(self.durations))
        rests = [max(mean - age, varied * mean * mean / (mean + age)) for age in ages]
        shared = (waiting * mean + sum(rests)) / self.parallel
        if waiting:
            whole, number = divmod(waiting, len(ages))
            alone = whole * mean + rests[min(number, len(rests) - 1)] + mean
        else:
            alone = max(rests)
        # The last item of many takes longer than the mean.
        alone *= 1 + 0.1 * varied * math.log(len(ages))
        weight = SHARING if self.shared else INDEPENDENCE
        return _between(shared, alone, weight)


def _variation(values: Sequence[float]) -> float:
    """Returns the standard deviation as a share of the mean."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)) / mean if mean else 0.0


def _between(one: float, other: float, weight: float) -> float:
    """Returns the geometric mean of two times, with `weight` for the other."""
    return float(max(one, 1e-9) ** (1 - weight) * max(other, 1e-9) ** weight)
