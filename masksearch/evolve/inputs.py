"""What self-evolution works with, read and checked before the work begins: seed data, fresh tasks round by round, held-out tasks."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.errors import DataError, UsageError
from masksearch.evaluation.tasks import load_tasks
from masksearch.evolve.settings import EvolveSettings
from masksearch.runtime.records import read_records, read_tasks
from masksearch.scoring.judge import Judge, Mode
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import MaskedTask, Task, Trajectory, task_from_json


@dataclass(frozen=True)
class Plan:
    """The inputs of all rounds."""

    seed_data: tuple[Trajectory, ...]
    fresh: tuple[Task, ...]
    """In the order in which rounds take them."""
    heldout: tuple[Task, ...]

    def tasks(self, number: int, settings: EvolveSettings) -> tuple[Task, ...]:
        """The fresh tasks of a round (from 1)."""
        return self.fresh[(number - 1) * settings.tasks_per_round : number * settings.tasks_per_round]


def make_plan(settings: EvolveSettings) -> Plan:
    """Reads all inputs. Raises UsageError for a judge that cannot be asked, DataError where tasks are too few or overlap with the held-out ones."""
    check_judge(settings)
    seed_data = [
        trajectory for path in settings.trajectories for trajectory in read_records(path, Trajectory)
    ]
    tasks = _all_tasks(settings.tasks)
    heldout = load_tasks(settings.heldout)[1][: settings.heldout_limit] if settings.heldout else []
    seeded = [task_from_json(trajectory.task) for trajectory in seed_data]
    _check_apart(heldout, tasks, ", ".join(settings.tasks))
    _check_apart(heldout, seeded, ", ".join(settings.trajectories))
    return Plan(tuple(seed_data), tuple(_fresh(tasks, seeded, settings)), tuple(heldout))


def uses_judge(settings: EvolveSettings) -> bool:
    """Whether the judge says what is correct."""
    return settings.accept == "judge" or (settings.accept == "auto" and bool(settings.judge.url))


def judge_mode(settings: JudgeSettings) -> Mode:
    """The verdict that counts."""
    return "strict" if "strict" in settings.modes else "relaxed"


def check_judge(settings: EvolveSettings) -> None:
    """Raises UsageError where a judge is wanted that has no endpoint, no model, or prompts that are none."""
    judge = settings.judge
    if not judge.url and (settings.accept == "judge" or judge.model):
        raise UsageError(
            "The answers are to be judged, but the judge has no endpoint; give one with --judge.url, or take the span metric with --accept f1."
        )
    if judge.url and settings.accept == "f1":
        raise UsageError(
            "A judge is given with --judge.url, but --accept f1 would not ask it; leave one of them out."
        )
    if uses_judge(settings):
        Judge(judge.url, judge.model, judge_mode(judge), prompts=judge.prompts)


def _all_tasks(paths: Sequence[str]) -> list[Task]:
    tasks: dict[str, Task] = {}
    for path in paths:
        for task in read_tasks(path):
            if task.id in tasks:
                raise DataError(
                    f"The task '{task.id}' of {path} stands in another of the task files too; ids must be unique."
                )
            tasks[task.id] = task
    return list(tasks.values())


def _asked(task: Task) -> str:
    return task.text if isinstance(task, MaskedTask) else task.question


def _check_apart(heldout: Sequence[Task], others: Sequence[Task], source: str) -> None:
    """A gain on what was trained on would be none."""
    asked = {_asked(task) for task in others}
    titles = {task.title for task in others if isinstance(task, MaskedTask)}
    both = [
        task
        for task in heldout
        if _asked(task) in asked or (isinstance(task, MaskedTask) and task.title in titles)
    ]
    if both:
        name = both[0].title if isinstance(both[0], MaskedTask) else both[0].id
        raise DataError(
            f"{len(both)} of the {len(heldout)} held-out tasks, or their articles, stand in {source} too (such as '{name}'); split them."
        )


def _fresh(tasks: Sequence[Task], seeded: Sequence[Task], settings: EvolveSettings) -> list[Task]:
    known = {task.id for task in seeded} | {_asked(task) for task in seeded}
    fresh = [task for task in tasks if task.id not in known and _asked(task) not in known]
    needed = settings.rounds * settings.tasks_per_round
    if len(fresh) < needed:
        raise DataError(
            f"{settings.rounds} rounds of {settings.tasks_per_round} tasks need {needed} fresh tasks, but {', '.join(settings.tasks)} hold {len(fresh)} "
            f"beside those of the seed data; make more with `masksearch mask`, or lower rounds or tasks_per_round."
        )
    random.Random(f"{settings.seed}:fresh").shuffle(fresh)
    return fresh[:needed]


def mixture(
    seed_data: Sequence[Trajectory], evolved: Sequence[Trajectory], share: float, seed: int
) -> list[Trajectory]:
    """What a teacher is trained on: everything, and the seed data again and again until they are at least `share` of it."""
    needed = max(len(seed_data), math.ceil(share * len(evolved) / (1 - share) - 1e-9))
    passes, rest = divmod(needed, len(seed_data))
    chosen = sorted(random.Random(f"{seed}:mix").sample(range(len(seed_data)), rest))
    return [*list(seed_data) * passes, *(seed_data[place] for place in chosen), *evolved]
