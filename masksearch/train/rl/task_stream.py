"""The endless order of tasks that RL samples from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from masksearch.train.curriculum import Curriculum
from masksearch.types import Task


class TaskStream(Protocol):
    """An endless order of tasks, by place."""

    def __getitem__(self, place: int) -> Task: ...


class CurriculumStream:
    """The tasks of RL by place, in the order of a curriculum.

    Each step has one block of places for each of `shares` processes: `size` places for the tasks that it
    samples in any case, then `size` for each of its refills. The places of the first kind, over all
    processes and steps, pass over all tasks again and again; refills, which are not always drawn, do not
    interrupt the passes.
    """

    def __init__(
        self, tasks: Sequence[Task], curriculum: Curriculum, size: int, refills: int, shares: int = 1
    ) -> None:
        self.tasks, self.curriculum = tasks, curriculum
        self.size, self.refills, self.shares = size, refills, shares

    def __getitem__(self, place: int) -> Task:
        block, inside = divmod(place, self.size * (1 + self.refills))
        step, share = divmod(block, self.shares)
        # Places of a step: `first` over all processes, then `spare` for each process.
        first, spare = self.size * self.shares, self.size * self.refills
        if inside < self.size:
            offset = share * self.size + inside
        else:
            offset = first + share * spare + inside - self.size
        return self.tasks[self.curriculum.pick(step, offset, first, spare * self.shares)]
