"""The teacher `agents` over a Ray cluster: actors teach batches of tasks, and one actor checks the limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from masksearch.errors import MaskSearchError, ModelError
from masksearch.llm.cost import Budget, Spent
from masksearch.runtime.coroutines import run_coroutine
from masksearch.runtime.ray_cluster import import_ray, map_rows, ray_cluster
from masksearch.synthesis.agents.roles import share
from masksearch.synthesis.agents.scheduler import OUTAGE, Outcome, Row, opened, spent_of, teach_all
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task, task_from_json, task_json


def teach_with_ray(
    tasks: Sequence[Task], settings: SynthesizeSettings, budget: Budget, on_done: Callable[[Row], bool]
) -> str:
    """Teaches tasks with Ray Data; returns the reason why tasks are left, or an empty string.

    `settings.limit` is the number of trajectories that are still wanted. The index and the working folder
    must be on storage that all nodes see (see also `teach_all`). Outcomes arrive in batches. If the run is
    killed, the running tasks and the unfinished batches are lost. Raises MissingExtraError without Ray, and
    ModelError if an endpoint refuses.
    """
    with ray_cluster(settings.workers) as ray:
        return _collect(_outcomes(ray, tasks, settings, budget), budget, on_done)


def _collect(rows: Iterator[dict[str, Any]], budget: Budget, on_done: Callable[[Row], bool]) -> str:
    """Records all rows, also after a failure, because the tasks of the other workers are paid for."""
    wanted, refused, stopped = True, "", ""
    for row in rows:
        if row["error"]:
            if row["refused"]:
                refused = row["error"]
            else:
                stopped = row["error"]
            continue
        budget.add(spent_of(row))
        outcome = {name: value for name, value in row.items() if name not in ("error", "refused")}
        wanted = on_done(outcome) and wanted
    if refused:
        raise ModelError(refused)
    return budget.limit_message() if budget.empty() and wanted else stopped


def _outcomes(
    ray: Any, tasks: Sequence[Task], settings: SynthesizeSettings, budget: Budget
) -> Iterator[dict[str, Any]]:
    size = min(max(2 * share(settings), OUTAGE), ceil(len(tasks) / settings.workers))
    batches = [
        {"batch": _packed({"tasks": [task_json(task) for task in tasks[start : start + size]]})}
        for start in range(0, len(tasks), size)
    ]
    # All tasks are in one data set, so that a worker opens the index once. The meter stops new tasks;
    # running tasks still finish.
    meter = ray.remote(num_cpus=0)(Meter).remote(budget, settings.limit)
    for row in map_rows(ray, batches, _Worker, (settings, meter), settings.workers):
        yield _unpacked(row["outcome"])


class Meter:
    """An actor that sums the costs and the kept tasks of all workers, so that limits apply to their total."""

    def __init__(self, budget: Budget, wanted: int | None) -> None:
        self.budget, self.wanted, self.ended = budget, wanted, False
        self.open = 0
        """Number of tasks that got no answer since the endpoint last answered any task."""

    def add(self, spent: Mapping[str, Spent], kept: bool) -> bool:
        """Counts a task; returns whether a worker may start another one."""
        self.open = 0
        self.budget.add(spent)
        self.wanted = None if self.wanted is None else self.wanted - kept
        self.ended = self.ended or self.budget.empty() or (self.wanted is not None and self.wanted <= 0)
        return not self.ended

    def leave_open(self, tasks: int) -> None:
        """Counts the tasks of a batch without any answer; `OUTAGE` such tasks in a row stop all workers."""
        self.open += tasks
        self.ended = self.ended or self.open >= OUTAGE

    def end(self) -> None:
        """Stops the workers after their running tasks."""
        self.ended = True

    def goes_on(self) -> bool:
        """Whether a worker may start another task."""
        return not self.ended


class _Worker:
    """Teaches batches of tasks in a Ray actor, with one open index for all batches."""

    def __init__(self, settings: SynthesizeSettings, meter: Any) -> None:
        from masksearch.search import open_searcher

        self.settings, self.meter = settings, meter
        self.searcher = open_searcher(settings.index, settings.search)

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        if not import_ray().get(self.meter.goes_on.remote()):
            return []
        tasks = [task_from_json(value) for value in _unpacked(row["batch"])["tasks"]]
        return [{"outcome": _packed(outcome)} for outcome in run_coroutine(self._teach(tasks))]

    async def _teach(self, tasks: Sequence[Task]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        ray = import_ray()

        def on_done(outcome: Outcome) -> bool:
            rows.append({"error": "", "refused": False, **outcome.to_json()})
            return bool(ray.get(self.meter.add.remote(outcome.spent, not outcome.reason)))

        try:
            async with opened(self.settings, self.searcher) as teacher:
                why_left = await teach_all(teacher, tasks, Budget(), on_done)
        except MaskSearchError as error:
            ray.get(self.meter.end.remote())
            return [*rows, {"error": str(error), "refused": True}]
        if why_left and not rows:
            ray.get(self.meter.leave_open.remote(len(tasks)))
        return [*rows, {"error": why_left, "refused": False}] if why_left else rows


# Rows are sent through Ray Data as JSON text, because their fields vary and Arrow needs one schema.
def _packed(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unpacked(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value
