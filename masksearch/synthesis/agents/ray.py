"""The same per-task function over a Ray cluster."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from masksearch.errors import MaskSearchError, MissingExtraError, ModelError
from masksearch.llm.cost import Purse, Spent
from masksearch.synthesis.agents.roles import share
from masksearch.synthesis.agents.scheduler import OUTAGE, Outcome, Row, opened, spent_of, teach_all
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task, task_from_json, task_json


def teach_with_ray(
    tasks: Sequence[Task], settings: SynthesizeSettings, purse: Purse, on_done: Callable[[Row], bool]
) -> str:
    """As `teach_all`, over Ray Data: the index and the working folder must be on storage that all nodes see. `settings.limit` is what is still wanted.

    Outcomes come in batches: a kill costs what is under way and the batches that were not complete. Raises MissingExtraError, ModelError.
    """
    ray = _ray()
    own = not ray.is_initialized()
    if own:
        # Where RAY_ADDRESS names a cluster it is joined; otherwise one is started here with the workers asked for.
        local = (
            {}
            if os.environ.get("RAY_ADDRESS")
            else {"num_cpus": settings.workers, "include_dashboard": False}
        )
        ray.init(log_to_driver=False, logging_level="ERROR", **local)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        return _collect(_run(ray, tasks, settings, purse), purse, on_done)
    finally:
        if own:
            ray.shutdown()


def _collect(rows: Iterator[dict[str, Any]], purse: Purse, on_done: Callable[[Row], bool]) -> str:
    """Takes all rows, whatever fails: what other workers have finished is paid for, and goes on record."""
    wanted, refused, stopped = True, "", ""
    for row in rows:
        if row["error"]:
            refused, stopped = (row["error"], stopped) if row["refused"] else (refused, row["error"])
            continue
        purse.add(spent_of(row))
        wanted = (
            on_done({name: value for name, value in row.items() if name not in ("error", "refused")})
            and wanted
        )
    if refused:
        raise ModelError(refused)
    return purse.told() if purse.empty() and wanted else stopped


def _run(
    ray: Any, tasks: Sequence[Task], settings: SynthesizeSettings, purse: Purse
) -> Iterator[dict[str, Any]]:
    size = min(max(2 * share(settings), OUTAGE), ceil(len(tasks) / settings.workers))
    batches = [
        {"tasks": [task_json(task) for task in tasks[start : start + size]]}
        for start in range(0, len(tasks), size)
    ]
    # One data set for all tasks, so that a worker opens the index once. The meter ends it, so that what is under way still comes to its end.
    meter = ray.remote(num_cpus=0)(Meter).remote(purse, settings.limit)
    rows = ray.data.from_items(
        [{"batch": _packed(batch)} for batch in batches], override_num_blocks=len(batches)
    )
    workers = min(settings.workers, len(batches))
    done = rows.flat_map(
        _Worker, fn_constructor_args=(settings, os.getcwd(), meter), concurrency=workers, num_cpus=1
    )
    for row in done.iter_rows():
        yield _unpacked(row["outcome"])


class Meter:
    """An actor that all workers tell what they have spent and kept, so that limits hold for them together."""

    def __init__(self, purse: Purse, wanted: int | None) -> None:
        self.purse, self.wanted, self.ended, self.open = purse, wanted, False, 0

    def add(self, spent: Mapping[str, Spent], kept: bool) -> bool:
        """Counts a task; returns whether a further one may be begun."""
        self.open = 0
        self.purse.add(spent)
        self.wanted = None if self.wanted is None else self.wanted - kept
        self.ended = self.ended or self.purse.empty() or (self.wanted is not None and self.wanted <= 0)
        return not self.ended

    def leave_open(self, tasks: int) -> None:
        """Notes tasks of which not one was answered: as many as make an outage are one for all workers."""
        self.open += tasks
        self.ended = self.ended or self.open >= OUTAGE

    def end(self) -> None:
        """No further task is begun."""
        self.ended = True

    def goes_on(self) -> bool:
        """Whether a further task may be begun."""
        return not self.ended


class _Worker:
    """A Ray actor: opens the index once, then works batch after batch."""

    def __init__(self, settings: SynthesizeSettings, folder: str, meter: Any) -> None:
        os.chdir(folder)
        from masksearch.search import open_searcher

        self.settings, self.meter, self.searcher = (
            settings,
            meter,
            open_searcher(settings.index, settings.search),
        )

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        if not _ray().get(self.meter.goes_on.remote()):
            return []
        tasks = [task_from_json(value) for value in _unpacked(row["batch"])["tasks"]]
        return [{"outcome": _packed(outcome)} for outcome in asyncio.run(self._teach(tasks))]

    async def _teach(self, tasks: Sequence[Task]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        ray = _ray()

        def done(outcome: Outcome) -> bool:
            rows.append({"error": "", "refused": False, **outcome.to_json()})
            return bool(ray.get(self.meter.add.remote(outcome.spent, not outcome.reason)))

        try:
            async with opened(self.settings, self.searcher) as teacher:
                open_ = await teach_all(teacher, tasks, Purse(), done)
        except MaskSearchError as error:
            ray.get(self.meter.end.remote())
            return [*rows, {"error": str(error), "refused": True}]
        if open_ and not rows:
            ray.get(self.meter.leave_open.remote(len(tasks)))
        return [*rows, {"error": open_, "refused": False}] if open_ else rows


def _packed(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unpacked(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "The engine 'ray'") from error
    return ray
