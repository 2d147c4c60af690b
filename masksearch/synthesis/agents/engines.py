"""The same per-task function over a Ray cluster."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import ceil
from typing import Any

from masksearch.errors import MaskSearchError, MissingExtraError, ModelError
from masksearch.llm.spending import Purse, Spent
from masksearch.settings import SynthesizeSettings
from masksearch.synthesis.agents.teach import Outcome, opened, teach_all
from masksearch.types import Task, Trajectory, task_from_json, task_json

AHEAD = 8
"""Rounds of `workers * concurrency` tasks that are handed out at a time; one where there is a limit, which is looked at in between."""


def teach_with_ray(tasks: Sequence[Task], settings: SynthesizeSettings, purse: Purse, on_done: Callable[[Outcome], bool]) -> str:
    """As `teach_all`, over Ray Data: the index and the working folder must be on storage that all nodes see. Raises MissingExtraError, ModelError."""
    ray = _ray()
    own = not ray.is_initialized()
    if own:
        # Where RAY_ADDRESS names a cluster it is joined; otherwise one is started here with the workers asked for.
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": settings.workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="ERROR", **local)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        return _rounds(ray, tasks, settings, purse, on_done)
    finally:
        if own:
            ray.shutdown()


def _rounds(ray: Any, tasks: Sequence[Task], settings: SynthesizeSettings, purse: Purse, on_done: Callable[[Outcome], bool]) -> str:
    limited = settings.limit or settings.max_tokens or settings.max_cost
    for chunk in _chunks(tasks, settings.workers * settings.concurrency * (1 if limited else AHEAD)):
        wanted, failed = True, []
        # To the end, whatever fails: what other workers have finished is paid for, and goes on record.
        for row in _run(ray, chunk, settings):
            if row["error"]:
                failed.append(row)
                continue
            outcome = _outcome(row)
            purse.add(outcome.spent)
            wanted = on_done(outcome) and wanted
        for row in failed:
            if row["refused"]:
                raise ModelError(row["error"])
        if failed:
            return str(failed[0]["error"])
        if not wanted:
            return ""
        if purse.empty():
            return f"the limit is reached: {purse.total.tokens:,} tokens, {purse.total.cost:.2f} US dollars"
    return ""


def _chunks(tasks: Sequence[Task], size: int) -> Iterator[list[Task]]:
    waiting = iter(tasks)
    while chunk := list(islice(waiting, size)):
        yield chunk


def _run(ray: Any, tasks: Sequence[Task], settings: SynthesizeSettings) -> Iterator[dict[str, Any]]:
    size = min(2 * settings.concurrency, ceil(len(tasks) / settings.workers))
    batches = [{"tasks": [task_json(task) for task in tasks[start : start + size]]} for start in range(0, len(tasks), size)]
    rows = ray.data.from_items([{"batch": _packed(batch)} for batch in batches], override_num_blocks=len(batches))
    done = rows.flat_map(_Worker, fn_constructor_args=(settings, os.getcwd()), concurrency=min(settings.workers, len(batches)), num_cpus=1)
    for row in done.iter_rows():
        yield _unpacked(row["outcome"])


class _Worker:
    """An actor: opens the index once, then works batch after batch."""

    def __init__(self, settings: SynthesizeSettings, folder: str) -> None:
        os.chdir(folder)
        from masksearch.search import open_searcher

        self.settings, self.searcher = settings, open_searcher(settings.index, settings.search)

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        tasks = [task_from_json(value) for value in _unpacked(row["batch"])["tasks"]]
        return [{"outcome": _packed(outcome)} for outcome in asyncio.run(self._teach(tasks))]

    async def _teach(self, tasks: Sequence[Task]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []

        def done(outcome: Outcome) -> bool:
            rows.append({"error": "", "refused": False, **outcome.to_json()})
            return True

        try:
            async with opened(self.settings, self.searcher) as teacher:
                stopped = await teach_all(teacher, tasks, Purse(), done, self.settings.concurrency)
        except MaskSearchError as error:
            return [*rows, {"error": str(error), "refused": True}]
        return [*rows, {"error": stopped, "refused": False}] if stopped else rows


def _outcome(row: dict[str, Any]) -> Outcome:
    trajectory = Trajectory.model_validate(row["trajectory"]) if row["trajectory"] else None
    return Outcome(row["id"], row["reason"], trajectory, row["record"], {role: Spent.from_json(values) for role, values in row["spent"].items()})


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
