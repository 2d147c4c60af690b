"""Which tasks a step trains on: all mixed, in stages by their number of masks, or by how often they are solved.

The order depends on the seed, the step and the state alone. The state (stage, measurements, solve rates) changes between steps and is saved
with each checkpoint, so that a resumed run sees the same tasks.

A task that is solved with probability p teaches most at p = 1/2: the variance of a right-or-wrong reward is p (1 - p), and a group whose rollouts
are all right or all wrong teaches nothing. So its weight is 4 p (1 - p), with a floor.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from masksearch.errors import DataError, TrainingError
from masksearch.ramp.settings import mask_range
from masksearch.runtime.files import write_json
from masksearch.runtime.records import read_rows
from masksearch.train.settings import CurriculumSettings
from masksearch.types import MaskedTask, Task

PRIOR = 0.25
"""Added to the right and to the wrong rollouts of a task: one never measured has p = 1/2, one measured eight times is hardly moved."""
STATE = "curriculum.json"
RATES = Path("rounds") / "solve-rates.jsonl"
"""Where the product of a stage `evolve` keeps its solve rates."""


@dataclass(frozen=True)
class Item:
    """What of a task matters here; `masks` is 0 for a question."""

    key: str
    masks: int


@dataclass(frozen=True)
class Rate:
    """Rollouts of a task that were right, and all of them, as they counted at `step`."""

    solved: float
    sampled: float
    step: int


@dataclass(frozen=True)
class State:
    """What changes from step to step; `measures` are those of this stage, higher is better."""

    stage: int = 0
    stage_start: int = 0
    measures: tuple[float, ...] = ()
    rates: Mapping[str, Rate] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        rates = {key: [rate.solved, rate.sampled, rate.step] for key, rate in self.rates.items()}
        return {
            "stage": self.stage,
            "stage_start": self.stage_start,
            "measures": list(self.measures),
            "rates": rates,
        }


def state_from_json(data: Mapping[str, Any]) -> State:
    """The state that `State.to_json` told."""
    rates = {key: Rate(solved, sampled, step) for key, (solved, sampled, step) in data["rates"].items()}
    return State(data["stage"], data["stage_start"], tuple(data["measures"]), rates)


def item_of(task: Task) -> Item:
    """A task as an item."""
    return Item(task.id, task.masks if isinstance(task, MaskedTask) else 0)


@lru_cache(maxsize=8)
def shuffled(seed: int | str, turn: int, count: int) -> tuple[int, ...]:
    """The order of one pass over `count` things."""
    return tuple(random.Random(f"{seed}:{turn}").sample(range(count), count))


def passing(place: int, count: int, seed: int | str) -> int:
    """The index at a place of an endless order: passes over all, each shuffled anew."""
    turn, index = divmod(place, count)
    return shuffled(seed, turn, count)[index]


def faded(rate: Rate, step: int, half_life: int) -> Rate:
    """A rate as it counts at a later step: both counts halved every `half_life` steps."""
    share = 0.5 ** (max(0, step - rate.step) / half_life)
    return Rate(rate.solved * share, rate.sampled * share, step)


def weight(rate: Rate | None, step: int, settings: CurriculumSettings) -> float:
    """max(floor, 4 p (1 - p)), p = (solved + 1/4) / (sampled + 1/2); in [floor, 1], 1 where nothing is known."""
    now = faded(rate, step, settings.half_life) if rate else Rate(0.0, 0.0, step)
    share = (now.solved + PRIOR) / (now.sampled + 2 * PRIOR)
    return max(settings.floor, 4 * share * (1 - share))


def weighted_order(weights: npt.ArrayLike, seed: int, step: int) -> npt.NDArray[np.int64]:
    """All indices, drawn one after another without replacement in proportion to the weights.

    By exponential clocks: the i-th rings at -log(u_i) / w_i; in the order in which they ring (Efraimidis and Spirakis 2006).
    """
    values = np.asarray(weights, dtype=np.float64)
    uniform = 1.0 - np.random.default_rng([seed % 2**32, step]).random(len(values))
    return np.argsort(-np.log(uniform) / values, kind="stable")


def share_out(steps: int, sizes: Sequence[float]) -> tuple[int, ...]:
    """The last step (exclusive) of each stage: `steps` in proportion to the sizes, each stage with one at least while they last."""
    total = sum(sizes)
    ends: list[int] = []
    for number in range(1, len(sizes) + 1):
        fair, latest, earliest = (
            round(steps * sum(sizes[:number]) / total),
            steps - (len(sizes) - number),
            (ends[-1] if ends else 0) + 1,
        )
        ends.append(min(steps, max(min(fair, latest), earliest)))
    return tuple(ends)


def on_plateau(measures: Sequence[float], patience: int, min_gain: float) -> bool:
    """Whether the last `patience` measures brought no gain over the best before them."""
    best, since = -math.inf, 0
    for value in measures:
        best, since = (value, 0) if value > best + min_gain else (best, since + 1)
    return since >= patience


class Curriculum:
    """The order of some items over the steps of a training, and its state.

    Raises TrainingError where a stage has no item, or a stage is to end with a plateau that nothing measures.
    """

    def __init__(
        self,
        items: Sequence[Item],
        settings: CurriculumSettings,
        steps: int,
        seed: int,
        rates: Mapping[str, Rate] | None = None,
        by_size: bool = False,
        measured: bool = False,
    ) -> None:
        self.items, self.settings, self.seed = items, settings, seed
        self.pools = stage_pools(items, settings)
        sizes = [len(pool) if by_size else 1 for pool in self.pools]
        self.ends = (
            (*accumulate(settings.stage_steps), steps) if settings.stage_steps else share_out(steps, sizes)
        )
        if len(self.pools) > 1 and settings.boundary == "steps" and sum(settings.stage_steps) >= steps:
            raise TrainingError(
                f"curriculum.stage_steps add up to {sum(settings.stage_steps)}, but the training has {steps} steps, so its last stage would never begin; "
                "train longer, or give the stages fewer steps."
            )
        self.state = State(rates=dict(rates or {}))
        self._drawn: tuple[tuple[int, int], npt.NDArray[np.int64]] | None = None
        if self.by_plateau and not measured:
            raise TrainingError(
                "curriculum.boundary is plateau, but there is nothing to measure it on; name tasks or trajectories in heldout, or choose steps."
            )

    @property
    def by_plateau(self) -> bool:
        """Whether stages end with a plateau."""
        return len(self.pools) > 1 and self.settings.boundary == "plateau"

    @property
    def moves(self) -> bool:
        """Whether the order depends on what is measured during the training."""
        return self.by_plateau or self.settings.solve_rate

    def begin(self, step: int) -> None:
        """To be called before a step (from 0) is drawn; goes on to the next stage where it is due."""
        if self.by_plateau:
            return
        while self.state.stage < len(self.pools) - 1 and step >= self.ends[self.state.stage]:
            self._next_stage(self.ends[self.state.stage])

    def pick(self, step: int, offset: int, size: int, spare: int = 0) -> int:
        """The item at a place of a step: `size` places that are always drawn, then `spare` ones, which have an order of their own."""
        pool, since = self.pools[self.state.stage], step - self.state.stage_start
        if not self.settings.solve_rate:
            if offset < size:
                return pool[passing(since * size + offset, len(pool), self.seed)]
            return pool[passing(since * spare + offset - size, len(pool), f"{self.seed}:spare")]
        if self._drawn is None or self._drawn[0] != (self.state.stage, step):
            weights = [
                weight(self.state.rates.get(self.items[index].key), step, self.settings) for index in pool
            ]
            self._drawn = ((self.state.stage, step), weighted_order(weights, self.seed, step))
        return pool[int(self._drawn[1][offset % len(pool)])]

    def record(self, step: int, counts: Mapping[str, tuple[int, int]]) -> None:
        """Takes in what a step showed: task -> (right, sampled)."""
        rates = dict(self.state.rates)
        for key, (solved, sampled) in counts.items():
            old = faded(rates[key], step, self.settings.half_life) if key in rates else Rate(0.0, 0.0, step)
            rates[key] = Rate(old.solved + solved, old.sampled + sampled, step)
        self.state = replace(self.state, rates=rates)

    def due(self, step: int) -> bool:
        """Whether the held-out tasks are to be measured before this step."""
        return (step - self.state.stage_start) % self.settings.measure_steps == 0

    def measured(self, step: int, value: float) -> bool:
        """Takes in a measurement made before a step, higher is better. Whether a new stage begins with this step."""
        self.state = replace(self.state, measures=(*self.state.measures, value))
        ends = (
            self.by_plateau
            and self.state.stage < len(self.pools) - 1
            and on_plateau(self.state.measures, self.settings.patience, self.settings.min_gain)
        )
        if ends:
            self._next_stage(step)
        return ends

    def _next_stage(self, step: int) -> None:
        self.state = State(self.state.stage + 1, step, (), self.state.rates)

    def of_stage(self, items: Sequence[Item]) -> list[int]:
        """Indices of those of other items (held out) that belong to this stage; all of them where none does."""
        if len(self.pools) == 1:
            return list(range(len(items)))
        low, high = mask_range(self.settings.stages[self.state.stage])
        return [index for index, item in enumerate(items) if low <= item.masks <= high] or list(
            range(len(items))
        )


def stage_pools(items: Sequence[Item], settings: CurriculumSettings) -> list[list[int]]:
    """Indices of the items of each stage; one stage with all of them where the order is mixed. Raises TrainingError."""
    if settings.order == "mixed":
        return [list(range(len(items)))]
    pools = []
    for stage in settings.stages:
        low, high = mask_range(stage)
        pools.append([index for index, item in enumerate(items) if low <= item.masks <= high])
        if not pools[-1]:
            found = (
                ", ".join(str(count) for count in sorted({item.masks for item in items if item.masks}))
                or "none"
            )
            raise TrainingError(
                f"No task has {stage} masks (there are tasks with {found}); leave that stage out of curriculum.stages, or choose the order mixed."
            )
    return pools


class Stream(Protocol):
    """An endless order of tasks."""

    def __getitem__(self, place: int) -> Task: ...


class CurriculumStream:
    """The tasks of RL in the order of a curriculum, by place.

    A step has a block of places for each of `shares` processes: `size` for the tasks it samples in any case, then `size` for each of its refills.
    The former of all processes and steps are one pass over the tasks after another; refills, which are not always drawn, do not break it.
    """

    def __init__(
        self, tasks: Sequence[Task], curriculum: Curriculum, size: int, refills: int, shares: int = 1
    ) -> None:
        self.tasks, self.curriculum, self.size, self.refills, self.shares = (
            tasks,
            curriculum,
            size,
            refills,
            shares,
        )

    def __getitem__(self, place: int) -> Task:
        block, inside = divmod(place, self.size * (1 + self.refills))
        step, share = divmod(block, self.shares)
        first, spare = self.size * self.shares, self.size * self.refills
        offset = (
            share * self.size + inside if inside < self.size else first + share * spare + inside - self.size
        )
        return self.tasks[self.curriculum.pick(step, offset, first, spare * self.shares)]


def save_state(curriculum: Curriculum, folder: Path) -> None:
    """Puts the state of a curriculum into a saved state of the training."""
    write_json(folder / STATE, curriculum.state.to_json())


def load_state(curriculum: Curriculum, folder: Path) -> None:
    """Takes the state of a curriculum from a saved state; one from before there were curricula has none."""
    if (folder / STATE).exists():
        curriculum.state = state_from_json(json.loads((folder / STATE).read_text(encoding="utf-8")))


def read_rates(path: str) -> dict[str, Rate]:
    """The solve rates of a file, or of an evolve stage's product; of several for one task the last counts. Empty for no path. Raises DataError."""
    if not path:
        return {}
    file = Path(path) / RATES if Path(path).is_dir() else Path(path)
    rates = {}
    for place, row in read_rows(file):
        try:
            rate = Rate(float(row["solved"]), float(row["sampled"]), 0)
            if not (0 <= rate.solved <= rate.sampled and math.isfinite(rate.sampled)):
                raise ValueError
            rates[str(row["task"])] = rate
        except (KeyError, TypeError, ValueError):
            raise DataError(
                f'{place}: this is no solve rate; a line is {{"task": NAME, "solved": NUMBER, "sampled": NUMBER}}, with solved at most sampled.'
            ) from None
    return rates
