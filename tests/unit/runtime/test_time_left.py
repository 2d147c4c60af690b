"""The time left: simulated work in slots and one after the other, and what is shown of it."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from masksearch.runtime import progress
from masksearch.runtime.progress import Progress, rough_time
from masksearch.runtime.time_left import TimeLeft

Trace = list[float]
"""Times at which the items of some work are done."""


def in_slots(durations: list[float], slots: int, alone: float) -> Trace:
    """Plays work in `slots` slots. `alone` is the time of an item with no other beside it, as a share of its
    time when all slots are busy."""
    waiting, flying, done = list(durations), [], []
    clock = real = 0.0
    while waiting or flying:
        while waiting and len(flying) < slots:
            heapq.heappush(flying, clock + waiting.pop(0))
        speed = alone + (1 - alone) * len(flying) / slots
        end = heapq.heappop(flying)
        real, clock = real + (end - clock) * speed, end
        done.append(real)
    return done


def episodes(rng: random.Random, count: int) -> list[float]:
    """Durations of agent episodes: some end after the first turn, most after two to four."""
    return [
        rng.choice((8, 60, 60, 60, 110, 110, 110, 110, 170, 170)) * rng.uniform(0.8, 1.2)
        for _ in range(count)
    ]


def errors(
    trace: Trace, parallel: int, expected: float | None = None, shared: bool = True
) -> list[tuple[float, float | None]]:
    """Returns for each item but the last: share of the items done, and the factor between the estimate and
    the truth (at least 1), None where nothing is shown. An estimate within 5% of the whole time counts as
    right, because no one can know how long the very last items take."""
    whole, left = trace[-1], TimeLeft(len(trace), 0.0, parallel, expected, shared)
    found: list[tuple[float, float | None]] = []
    for number, end in enumerate(trace[:-1], 1):
        left.step(1, end)
        shown, true = left.left(end), whole - end
        factor = None
        if shown is not None:
            near = abs(shown - true) <= 0.05 * whole
            factor = 1.0 if near else max(shown, true) / max(min(shown, true), 1e-9)
        found.append((number / len(trace), factor))
    return found


def median_and_worst(
    found: list[tuple[float, float | None]], since: float, until: float
) -> tuple[float, float]:
    factors = sorted(factor for share, factor in found if since <= share < until and factor is not None)
    return (factors[len(factors) // 2], factors[-1]) if factors else (1.0, 1.0)


SEQUENTIAL: dict[str, Callable[[random.Random], Trace]] = {
    "one slot": lambda rng: in_slots([rng.uniform(50, 150) for _ in range(100)], 1, 1.0),
    "fast items": lambda rng: in_slots([rng.uniform(0.001, 0.01) for _ in range(1000)], 1, 1.0),
    "a slow first step": lambda rng: in_slots([60, *(rng.uniform(9, 11) for _ in range(59))], 1, 1.0),
    "few steps, slow first": lambda rng: in_slots([30, *(rng.uniform(9, 11) for _ in range(19))], 1, 1.0),
    "growing steps": lambda rng: in_slots([10 + 0.1 * step for step in range(100)], 1, 1.0),
}


@pytest.mark.parametrize("name", SEQUENTIAL)
@pytest.mark.parametrize("seed", range(5))
def test_items_one_after_the_other(name: str, seed: int) -> None:
    found = errors(SEQUENTIAL[name](random.Random(seed)), 1)
    assert median_and_worst(found, 0.1, 1)[1] <= 1.5
    assert median_and_worst(found, 0, 0.1)[1] <= 2.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("alone", "most"), [(0.15, 1.6), (0.3, 1.6), (0.5, 2.7)])
def test_a_hundred_episodes_in_48_slots(seed: int, alone: float, most: float) -> None:
    """The estimate does not know how much faster the last items become, so it is rougher for 0.5."""
    trace = in_slots(episodes(random.Random(seed), 100), 48, alone)
    found = errors(trace, 48)
    assert all(factor is None for share, factor in found if share <= 0.1), "nothing is shown without a basis"
    typical, worst = median_and_worst(found, 0.1, 0.95)
    assert typical <= 1.6
    assert worst <= most
    expected = errors(trace, 48, 1.3 * trace[-1])
    assert median_and_worst(expected, 0, 0.1)[1] <= 2.2
    typical, worst = median_and_worst(expected, 0.1, 0.95)
    assert typical <= 1.5
    assert worst <= most


@pytest.mark.parametrize("seed", range(5))
def test_requests_to_an_endpoint(seed: int) -> None:
    rng = random.Random(seed)
    for slots, count in ((8, 400), (48, 1000)):
        found = errors(in_slots(episodes(rng, count), slots, 1.0), slots, shared=False)
        assert median_and_worst(found, 0.1, 0.95)[1] <= 1.5


@pytest.mark.parametrize("seed", range(5))
def test_slots_that_finish_in_waves(seed: int) -> None:
    rng = random.Random(seed)
    trace = in_slots([100 * rng.uniform(0.95, 1.05) for _ in range(96)], 48, 0.3)
    found = errors(trace, 48)
    assert median_and_worst(found, 0.1, 0.95)[1] <= 1.9


def test_the_first_of_a_hundred_episodes_does_not_promise_an_hour() -> None:
    """The first of 100 tasks in 48 slots was done after 47 s; all 100 took 14 minutes more."""
    left = TimeLeft(100, 0.0, 48)
    left.step(1, 47.0)
    assert left.left(47.0) is None
    left = TimeLeft(100, 0.0, 48, expected=900.0)
    left.step(1, 47.0)
    assert left.left(47.0) == pytest.approx(840, rel=0.3)


def test_a_wrong_expectation_does_not_last() -> None:
    trace = in_slots([10.0] * 100, 1, 1.0)
    assert median_and_worst(errors(trace, 1, 5 * trace[-1]), 0.1, 1)[1] <= 1.5
    assert median_and_worst(errors(trace, 1, trace[-1] / 5), 0.1, 1)[1] <= 1.5


def test_work_of_an_earlier_attempt_took_no_time() -> None:
    left = TimeLeft(100, 0.0)
    left.skip(80)
    for second in range(10, 60, 10):
        left.step(1, float(second))
    assert left.left(50.0) == pytest.approx(150)


def test_estimates_do_not_jump() -> None:
    rng = random.Random(3)
    trace = in_slots(episodes(rng, 400), 8, 1.0)
    left, shown = TimeLeft(400, 0.0, 8, shared=False), []
    for end in trace[:-1]:
        left.step(1, end)
        shown.append((end, left.left(end)))
    late = [(end, value) for end, value in shown[40:] if value is not None]
    assert all(abs(b - a + (t - s)) <= 0.25 * a + 20 for (s, a), (t, b) in pairwise(late))


def test_the_line_shows_the_time_left_once_there_is_a_basis(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    progress.plan(0, 0)
    bar = Progress("eval agent", 100, "tasks", parallel=48)
    clock[0] = 47.0
    bar.step()
    assert bar._line() == "  eval agent: 1/100 tasks, 47s"
    progress.plan(900, 1800)
    bar = Progress("eval agent", 100, "tasks", parallel=48)
    clock[0] = 94.0
    bar.step()
    assert "about 14m left (44m in all)" in bar._line()
    progress.plan(0, 0)


def test_rough_times() -> None:
    shown = [rough_time(seconds) for seconds in (0.2, 8.4, 43, 89, 351, 4800)]
    assert shown == ["1s", "8s", "45s", "90s", "6m", "1h20m"]
