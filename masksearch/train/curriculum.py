"""The curriculum: the order of the training tasks.

The order is mixed, or in stages by number of masks. Within a stage, tasks are drawn evenly or by solve
rate. The order depends only on the seed, the step and the curriculum's state (stage, measurements, solve
rates). The state changes between steps and is saved with each checkpoint, so a resumed run sees the same
tasks.

Drawing by solve rate prefers tasks of medium difficulty. If the model solves a task with probability p,
the variance of a right-or-wrong reward is p (1 - p), which is largest at p = 1/2. A group whose rollouts
are all right or all wrong has no gradient. The weight of a task is therefore 4 p (1 - p), but at least
`floor`.
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
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch.errors import DataError, TrainingError
from masksearch.ramp.settings import mask_range
from masksearch.runtime.files import write_json
from masksearch.runtime.records import read_rows
from masksearch.train.settings import CurriculumSettings
from masksearch.types import MaskedTask, Task

PRIOR = 0.25
"""Pseudo-count that is added to a task's right rollouts and to its wrong rollouts to estimate p.

So a task without rollouts has p = 1/2. After eight rollouts the pseudo-counts hardly change p.
"""
STATE = "curriculum.json"
RATES = Path("rounds") / "solve-rates.jsonl"
"""Path of the solve rates inside the output folder of a stage `evolve`."""


@dataclass(frozen=True)
class Item:
    """The part of a task that the curriculum needs: the task's id and number of masks (0 for a question)."""

    key: str
    masks: int


@dataclass(frozen=True)
class Rate:
    """Counts of right rollouts and of all rollouts of a task; older rollouts count less (see `decayed`).

    `step` is the training step at which the counts were last updated.
    """

    solved: float
    sampled: float
    step: int


@dataclass(frozen=True)
class State:
    """The changing part of a curriculum: current stage (from 0), first step of this stage, measurements,
    solve rates.

    `measures` are the held-out measurements made in the current stage; higher is better. `rates` maps task
    ids to solve rates.
    """

    stage: int = 0
    stage_start: int = 0
    measures: tuple[float, ...] = ()
    rates: Mapping[str, Rate] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the state as JSON values."""
        rates = {key: [rate.solved, rate.sampled, rate.step] for key, rate in self.rates.items()}
        return {
            "stage": self.stage,
            "stage_start": self.stage_start,
            "measures": list(self.measures),
            "rates": rates,
        }


def state_from_json(data: Mapping[str, Any]) -> State:
    """Builds a state from the values of `State.to_json`."""
    rates = {key: Rate(solved, sampled, step) for key, (solved, sampled, step) in data["rates"].items()}
    return State(data["stage"], data["stage_start"], tuple(data["measures"]), rates)


def item_of(task: Task) -> Item:
    """Returns the curriculum item of a task."""
    return Item(task.id, task.masks if isinstance(task, MaskedTask) else 0)


@lru_cache(maxsize=32)
def pass_order(seed: int | str, turn: int, count: int) -> tuple[int, ...]:
    """Returns the random order of the indices 0 to count - 1 in one pass over them; `turn` is the pass
    number."""
    return tuple(random.Random(f"{seed}:{turn}").sample(range(count), count))


def index_at(place: int, count: int, seed: int | str) -> int:
    """Returns the index at position `place` of an endless sequence of shuffled passes over all indices."""
    turn, index = divmod(place, count)
    return pass_order(seed, turn, count)[index]


def decayed(rate: Rate, step: int, half_life: int) -> Rate:
    """Returns a solve rate decayed to a later step: both of its counts are halved every `half_life` steps."""
    share = 0.5 ** (max(0, step - rate.step) / half_life)
    return Rate(rate.solved * share, rate.sampled * share, step)


def weight(rate: Rate | None, step: int, settings: CurriculumSettings) -> float:
    """Returns a task's weight max(floor, 4 p (1 - p)) with p = (solved + 1/4) / (sampled + 1/2).

    The weight is in [floor, 1]. A task without a solve rate has weight 1.
    """
    now = decayed(rate, step, settings.half_life) if rate else Rate(0.0, 0.0, step)
    share = (now.solved + PRIOR) / (now.sampled + 2 * PRIOR)
    return max(settings.floor, 4 * share * (1 - share))


def weighted_order(weights: npt.ArrayLike, seed: int, step: int) -> npt.NDArray[np.int64]:
    """Returns the indices 0 to n - 1 in the order of a weighted draw without replacement. The result and
    `weights` have shape (n,).

    Index i gets the random time -log(u_i) / w_i with u_i uniform, and the indices are sorted by these times
    (Efraimidis and Spirakis 2006, Weighted random sampling with a reservoir).
    """
    values = np.asarray(weights, dtype=np.float64)  # (n,)
    # random() is in [0, 1), so 1 - random() is in (0, 1] and its logarithm is finite.
    uniform = 1.0 - np.random.default_rng([seed % 2**32, step]).random(len(values))  # (n,)
    return np.argsort(-np.log(uniform) / values, kind="stable")


def share_out(steps: int, sizes: Sequence[float]) -> tuple[int, ...]:
    """Divides `steps` among the stages in proportion to `sizes`; returns the end step (exclusive) of each.

    Each stage gets at least one step, as long as the steps suffice.
    """
    total = sum(sizes)
    ends: list[int] = []
    for number in range(1, len(sizes) + 1):
        proportional = round(steps * sum(sizes[:number]) / total)
        latest = steps - (len(sizes) - number)  # leaves at least one step for each later stage
        earliest = (ends[-1] if ends else 0) + 1
        ends.append(min(steps, max(min(proportional, latest), earliest)))
    return tuple(ends)


def on_plateau(measures: Sequence[float], patience: int, min_gain: float) -> bool:
    """Whether none of the last `patience` measures exceeds the best earlier measure by more than
    `min_gain`."""
    best, since = -math.inf, 0
    for value in measures:
        if value > best + min_gain:
            best, since = value, 0
        else:
            since += 1
    return since >= patience


class Curriculum:
    """The order of items over the steps of a training run, and the curriculum's state."""

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
        """Builds the curriculum of a training of `steps` steps.

        `rates` are the initial solve rates. With `by_size` each stage gets steps in proportion to its
        number of items; otherwise all stages get the same number of steps. `measured` is True if there are
        held-out items. Raises TrainingError if a stage has no item, if the last stage would never start, or
        if stages end at a plateau and there are no held-out items.
        """
        self.items, self.settings, self.seed = items, settings, seed
        self.pools = stage_pools(items, settings)
        if settings.stage_steps:
            self.ends = (*accumulate(settings.stage_steps), steps)
        else:
            self.ends = share_out(steps, [len(pool) if by_size else 1 for pool in self.pools])
        if len(self.pools) > 1 and settings.boundary == "steps" and sum(settings.stage_steps) >= steps:
            raise TrainingError(
                f"curriculum.stage_steps add up to {sum(settings.stage_steps)}, but the training has {steps} "
                "steps, so its last stage would never start; train longer, or give the stages fewer steps."
            )
        self.state = State(rates=dict(rates or {}))
        # Cache: the latest (stage, step), and the weighted order of the items for it.
        self._order: tuple[tuple[int, int], npt.NDArray[np.int64]] | None = None
        if self.by_plateau and not measured:
            raise TrainingError(
                "curriculum.boundary is plateau, but there are no held-out tasks to measure it on; "
                "name tasks or trajectories in heldout, or choose steps."
            )

    @property
    def by_plateau(self) -> bool:
        """Whether a plateau ends the stages."""
        return len(self.pools) > 1 and self.settings.boundary == "plateau"

    @property
    def moves(self) -> bool:
        """Whether the order depends on measurements made during the training."""
        return self.by_plateau or self.settings.solve_rate

    def begin(self, step: int) -> None:
        """Moves to the stage that `step` (from 0) belongs to. Call this before the step's items are drawn.

        Does nothing if a plateau ends the stages; then `measured` starts the next stage.
        """
        if self.by_plateau:
            return
        while self.state.stage < len(self.pools) - 1 and step >= self.ends[self.state.stage]:
            self._next_stage(self.ends[self.state.stage])

    def pick(self, step: int, offset: int, size: int, spare: int = 0) -> int:
        """Returns the index of the item at position `offset` of a step.

        A step has `size` positions that are always used, then `spare` positions that are used only if
        needed (the refills of RL). Without solve rates the spare positions have a separate order, so that
        the regular positions still visit every item once per pass.
        """
        pool, since = self.pools[self.state.stage], step - self.state.stage_start
        if not self.settings.solve_rate:
            if offset < size:
                return pool[index_at(since * size + offset, len(pool), self.seed)]
            return pool[index_at(since * spare + offset - size, len(pool), f"{self.seed}:spare")]
        return pool[int(self._weighted(step)[offset % len(pool)])]

    def weighted(self, step: int) -> list[int]:
        """Returns the indices of all items of the current stage, in the order in which the solve rates draw
        them for this step."""
        pool = self.pools[self.state.stage]
        return [pool[int(place)] for place in self._weighted(step)]

    def _weighted(self, step: int) -> npt.NDArray[np.int64]:
        pool = self.pools[self.state.stage]
        if self._order is None or self._order[0] != (self.state.stage, step):
            rates = [self.state.rates.get(self.items[index].key) for index in pool]
            weights = [weight(rate, step, self.settings) for rate in rates]
            self._order = ((self.state.stage, step), weighted_order(weights, self.seed, step))
        return self._order[1]

    def record(self, step: int, counts: Mapping[str, tuple[int, int]]) -> None:
        """Adds the rollouts of a step to the solve rates; `counts` maps a task id to the numbers of
        right rollouts and of counted rollouts."""
        rates = dict(self.state.rates)
        for key, (solved, sampled) in counts.items():
            old = decayed(rates[key], step, self.settings.half_life) if key in rates else Rate(0.0, 0.0, step)
            rates[key] = Rate(old.solved + solved, old.sampled + sampled, step)
        self.state = replace(self.state, rates=rates)

    def due(self, step: int) -> bool:
        """Whether the held-out items must be measured before this step."""
        return (step - self.state.stage_start) % self.settings.measure_steps == 0

    def measured(self, step: int, value: float) -> bool:
        """Adds a held-out measurement that was made just before `step`; returns whether a new stage starts
        at `step`.

        A new stage starts if plateaus end the stages and the measurements reached one. Higher values are
        better.
        """
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
        """Returns the indices of those `items` (such as held-out items) that belong to the current stage.

        Returns all indices if none of the items belongs to the stage.
        """
        if len(self.pools) == 1:
            return list(range(len(items)))
        low, high = mask_range(self.settings.stages[self.state.stage])
        fitting = [index for index, item in enumerate(items) if low <= item.masks <= high]
        return fitting or list(range(len(items)))


def stage_pools(items: Sequence[Item], settings: CurriculumSettings) -> list[list[int]]:
    """Returns, for each stage, the indices of its items. The order `mixed` has one stage with all items.

    Raises TrainingError if a stage has no item.
    """
    if settings.order == "mixed":
        return [list(range(len(items)))]
    pools = []
    for stage in settings.stages:
        low, high = mask_range(stage)
        pools.append([index for index, item in enumerate(items) if low <= item.masks <= high])
        if not pools[-1]:
            counts = sorted({item.masks for item in items if item.masks})
            found = ", ".join(map(str, counts)) or "none"
            raise TrainingError(
                f"No task has {stage} masks (there are tasks with {found}); "
                "leave that stage out of curriculum.stages, or choose the order mixed."
            )
    return pools


def save_state(curriculum: Curriculum, folder: Path) -> None:
    """Writes the state of a curriculum into a saved state of the training."""
    write_json(folder / STATE, curriculum.state.to_json())


def load_state(curriculum: Curriculum, folder: Path) -> None:
    """Restores the curriculum's state from a saved state of the training.

    Does nothing if the file is missing: versions without curricula did not write it.
    """
    if (folder / STATE).exists():
        curriculum.state = state_from_json(json.loads((folder / STATE).read_text(encoding="utf-8")))


def read_rates(path: str) -> dict[str, Rate]:
    """Reads solve rates from a file or from the output folder of a stage `evolve`; empty for an empty path.

    If a task has several lines, the last one counts. Raises DataError for a line that is not a solve rate.
    """
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
                f'{place}: this is not a solve rate; a line is {{"task": NAME, "solved": NUMBER, '
                '"sampled": NUMBER}, with solved at most sampled.'
            ) from None
    return rates
