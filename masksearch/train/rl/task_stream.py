"""The endless sequence of tasks that RL samples from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from masksearch.train.curriculum import Curriculum
from masksearch.types import Task


class TaskStream(Protocol):
    """An endless sequence of tasks; `stream[place]` is the task at position `place` (from 0)."""

    def __getitem__(self, place: int) -> Task: ...


class CurriculumStream:
    """The endless sequence of tasks in the order of a curriculum.

    Each step has one block of positions for each of the `shares` processes. A block has `size` positions
    for the tasks that the process always samples, then `size` positions for each of its `refills`. The
    positions that are always sampled, over all processes and steps, visit every task once per pass. The
    refills are ordered separately, so they do not interrupt these passes.
    """

    def __init__(
        self, tasks: Sequence[Task], curriculum: Curriculum, size: int, refills: int, shares: int = 1
    ) -> None:
        self.tasks, self.curriculum = tasks, curriculum
        self.size, self.refills, self.shares = size, refills, shares

    def __getitem__(self, place: int) -> Task:
        block, inside = divmod(place, self.size * (1 + self.refills))
        step, share = divmod(block, self.shares)
        # The curriculum numbers the positions of a step differently: first the `first` positions that are
        # always sampled (of all processes), then `spare` refill positions for each process.
        first, spare = self.size * self.shares, self.size * self.refills
        if inside < self.size:
            offset = share * self.size + inside
        else:
            offset = first + share * spare + inside - self.size
        return self.tasks[self.curriculum.pick(step, offset, first, spare * self.shares)]
