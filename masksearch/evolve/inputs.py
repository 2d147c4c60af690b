"""Reads and checks the inputs of self-evolution before any training.

The inputs are seed data (trajectories), fresh tasks for each round, and held-out tasks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from masksearch.corpus.split import source_articles
from masksearch.errors import DataError, UsageError
from masksearch.evaluation.tasks import load_tasks
from masksearch.evolve.settings import EvolveSettings
from masksearch.runtime.records import read_records, read_tasks
from masksearch.scoring.judge import Judge, Mode
from masksearch.scoring.settings import JudgeSettings
from masksearch.search.index.storage import common_titles
from masksearch.types import MaskedTask, Task, Trajectory, task_from_json


@dataclass(frozen=True)
class Inputs:
    """The inputs of all rounds."""

    seed_data: tuple[Trajectory, ...]
    fresh: tuple[Task, ...]
    """The tasks that rollouts are sampled on; each round takes the next `tasks_per_round` of them."""
    heldout: tuple[Task, ...]

    def tasks(self, number: int, settings: EvolveSettings) -> tuple[Task, ...]:
        """Returns the fresh tasks of a round (numbered from 1)."""
        return self.fresh[(number - 1) * settings.tasks_per_round : number * settings.tasks_per_round]


def read_inputs(settings: EvolveSettings) -> Inputs:
    """Reads and checks all inputs.

    Raises UsageError for incomplete or unused judge settings. Raises DataError if there are too few fresh
    tasks, or if held-out tasks overlap with tasks or seed data.
    """
    check_judge(settings)
    seed_data = [
        trajectory for path in settings.trajectories for trajectory in read_records(path, Trajectory)
    ]
    tasks = _all_tasks(settings.tasks)
    heldout = load_tasks(settings.heldout)[1][: settings.heldout_limit] if settings.heldout else []
    seeded = [task_from_json(trajectory.task) for trajectory in seed_data]
    common = common_titles(settings.index)
    _check_apart(heldout, tasks, ", ".join(settings.tasks), common)
    _check_apart(heldout, seeded, ", ".join(settings.trajectories), common)
    return Inputs(tuple(seed_data), tuple(_fresh(tasks, seeded, settings)), tuple(heldout))


def uses_judge(settings: EvolveSettings) -> bool:
    """Whether the judge, not the span metric, decides which answers are correct."""
    return settings.accept == "judge" or (settings.accept == "auto" and bool(settings.judge.url))


def judge_mode(settings: JudgeSettings) -> Mode:
    """Returns the judge's mode whose verdict decides: strict, or relaxed if that is the only mode."""
    return "strict" if "strict" in settings.modes else "relaxed"


def check_judge(settings: EvolveSettings) -> None:
    """Raises UsageError if a requested judge has incomplete settings, or if the judge would not be used."""
    judge = settings.judge
    if not judge.url and (settings.accept == "judge" or judge.model):
        raise UsageError(
            "The settings request a judge, but the judge has no endpoint; set one with --judge.url, "
            "or use the span metric with --accept f1."
        )
    if judge.url and settings.accept == "f1":
        raise UsageError(
            "--judge.url names a judge, but --accept f1 would not ask it; leave one of them out."
        )
    if uses_judge(settings):
        Judge(judge.url, judge.model, judge_mode(judge), prompts=judge.prompts)


def _all_tasks(paths: Sequence[str]) -> list[Task]:
    tasks: dict[str, Task] = {}
    for path in paths:
        for task in read_tasks(path):
            if task.id in tasks:
                raise DataError(
                    f"The task '{task.id}' of {path} is also in another task file; ids must be unique."
                )
            tasks[task.id] = task
    return list(tasks.values())


def _prompt(task: Task) -> str:
    return task.text if isinstance(task, MaskedTask) else task.question


def _check_apart(
    heldout: Sequence[Task], others: Sequence[Task], source: str, common: Collection[str]
) -> None:
    """Raises DataError if a held-out task, or its article, is among `others`.

    `common` holds the titles of the corpus that name no article.

    With such an overlap a gain on the held-out tasks could come from memorised tasks.
    """
    prompts = {_prompt(task) for task in others}
    known = frozenset[str]().union(*(source_articles(task, common) for task in others))
    shared = [task for task in heldout if _prompt(task) in prompts or source_articles(task, common) & known]
    if shared:
        name = shared[0].title if isinstance(shared[0], MaskedTask) else shared[0].id
        raise DataError(
            f"{len(shared)} of the {len(heldout)} held-out tasks, or their articles, are also in {source} "
            f"(such as '{name}'); split them."
        )


def _fresh(tasks: Sequence[Task], seeded: Sequence[Task], settings: EvolveSettings) -> list[Task]:
    """Returns the fresh tasks of all rounds, shuffled; leaves out the tasks of the seed data."""
    known = {task.id for task in seeded} | {_prompt(task) for task in seeded}
    fresh = [task for task in tasks if task.id not in known and _prompt(task) not in known]
    needed = settings.rounds * settings.tasks_per_round
    if len(fresh) < needed:
        raise DataError(
            f"{settings.rounds} rounds of {settings.tasks_per_round} tasks need {needed} fresh tasks, but "
            f"{', '.join(settings.tasks)} hold {len(fresh)} that are not in the seed data; make more with "
            "`masksearch mask`, or lower rounds or tasks_per_round."
        )
    random.Random(f"{settings.seed}:fresh").shuffle(fresh)
    return fresh[:needed]


def mixture(
    seed_data: Sequence[Trajectory], evolved: Sequence[Trajectory], share: float, seed: int
) -> list[Trajectory]:
    """Returns a teacher's training data, in which the seed data has a share of at least `share`.

    All trajectories occur at least once. To reach the share, the seed data is repeated as a whole; then a
    random subset of the seed data is added.
    """
    # Subtracts 1e-9, because `ceil` of a quotient with a rounding error could otherwise add a row.
    needed = max(len(seed_data), math.ceil(share * len(evolved) / (1 - share) - 1e-9))
    passes, rest = divmod(needed, len(seed_data))
    chosen = sorted(random.Random(f"{seed}:mix").sample(range(len(seed_data)), rest))
    return [*list(seed_data) * passes, *(seed_data[place] for place in chosen), *evolved]
