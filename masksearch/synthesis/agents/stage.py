"""Stage `synthesize --teacher agents`: turns tasks into judged trajectories, and records rejected tasks.

WORK/outcomes.jsonl   the outcome of each task, written as soon as it is known; an interrupted run resumes
                      from this file
WORK/rejects.jsonl    the rejected tasks, each with its reason and all requests and replies
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.llm.cost import Budget
from masksearch.protocols import Searcher
from masksearch.runtime.coroutines import run_coroutine
from masksearch.runtime.files import write_json, write_json_lines
from masksearch.runtime.progress import Progress, say
from masksearch.runtime.records import read_tasks
from masksearch.synthesis.agents.outcome_log import Log
from masksearch.synthesis.agents.processes import teach_in_processes
from masksearch.synthesis.agents.ray import teach_with_ray
from masksearch.synthesis.agents.roles import Prompts
from masksearch.synthesis.agents.scheduler import Row, opened, teach_all
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task

OUTCOMES, REJECTS = "outcomes.jsonl", "rejects.jsonl"


def run_agents(
    settings: SynthesizeSettings, output: Path, work: Path, searcher: Searcher | None = None
) -> dict[str, Any]:
    """Writes the kept trajectories in the order of the tasks; returns the summary.

    The summary has the key `unfinished` if tasks are left, because an endpoint did not answer or a limit
    was reached. Raises DataError if no trajectory was kept, ModelError if an endpoint refuses.
    """
    tasks = in_order(read_tasks(settings.tasks), settings)
    with Log(work / OUTCOMES) as log:
        stopped = _work(tasks, settings, log, searcher)
        ids = [task.id for task in tasks]
        kept = 0

        def trajectories() -> Iterator[dict[str, Any]]:
            nonlocal kept
            for row in log.rows(ids):
                if not row["reason"] and (settings.limit is None or kept < settings.limit):
                    kept += 1
                    yield row["trajectory"]

        # The rejects are written before the trajectories, so that they exist whenever the trajectories exist.
        write_json_lines(work / REJECTS, (_rejected(row) for row in log.rows(ids) if row["reason"]))
        if not log.kept:
            by_count = sorted(log.reasons.items(), key=lambda item: -item[1])
            reasons = ", ".join(f"{reason}: {count}" for reason, count in by_count)
            raise DataError(
                f"None of the {len(tasks)} tasks in {settings.tasks} became a trajectory "
                f"({stopped or reasons}). See {work / REJECTS}."
            )
        write_json_lines(output, trajectories())
        summary = _summary(tasks, settings, log, kept, stopped)
    if str(output) != "-":
        write_json(work / "synthesize-report.json", summary)
    return summary


def in_order(tasks: Sequence[Task], settings: SynthesizeSettings) -> list[Task]:
    """Returns the tasks in the order of the file, or shuffled if `limit` is below their number."""
    order = list(tasks)
    if settings.limit is not None and settings.limit < len(order):
        random.Random(settings.seed).shuffle(order)
    return order


def _work(tasks: Sequence[Task], settings: SynthesizeSettings, log: Log, searcher: Searcher | None) -> str:
    """Teaches the tasks that are not in the log; returns the reason for an early stop, or an empty string."""
    left = [task for task in tasks if task.id not in log.places]
    wanted = settings.limit or len(tasks)
    if not left or log.kept >= wanted:
        return ""
    budget = Budget(settings.max_tokens, settings.max_cost, dict(log.spent))
    if budget.empty():
        return budget.limit_message()
    with Progress("synthesize", len(tasks), "tasks", parallel=settings.concurrency, shared=False) as progress:
        before = len(log.places)
        progress.skip(before)

        def on_done(row: Row) -> bool:
            log.add(row)
            rate = (len(log.places) - before) / max(time.monotonic() - progress.started, 1e-9)
            accepted = log.kept / len(log.places)
            progress.step(
                note=f"{rate:.1f} a second, {accepted:.0%} accepted, {budget.total.tokens:,} tokens"
            )
            return log.kept < wanted

        if settings.engine == "ray":
            still_wanted = wanted - log.kept if settings.limit else None
            stopped = teach_with_ray(
                left, settings.model_copy(update={"limit": still_wanted}), budget, on_done
            )
        elif settings.workers > 1:
            stopped = teach_in_processes(left, settings, budget, on_done)
        else:
            stopped = run_coroutine(_locally(left, settings, budget, on_done, searcher))
    if stopped:
        say(f"Tasks are left: {stopped}")
    return stopped


async def _locally(
    tasks: Sequence[Task],
    settings: SynthesizeSettings,
    budget: Budget,
    on_done: Callable[[Row], bool],
    searcher: Searcher | None,
) -> str:
    async with opened(settings, searcher or _searcher(settings)) as teacher:
        return await teach_all(teacher, tasks, budget, lambda outcome: on_done(outcome.to_json()))


def _searcher(settings: SynthesizeSettings) -> Searcher:
    from masksearch.search import open_searcher

    return open_searcher(settings.index, settings.search)


def _rejected(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "reason": row["reason"], "spent": row["spent"], **row["record"]}


def _summary(
    tasks: Sequence[Task], settings: SynthesizeSettings, log: Log, kept: int, stopped: str
) -> dict[str, Any]:
    total = sum((spent.tokens for spent in log.spent.values()), 0)
    cost = sum(spent.cost for spent in log.spent.values())
    done = len(log.places)
    left = 0 if settings.limit is not None and log.kept >= settings.limit else len(tasks) - done
    money = f", {cost:.2f} US dollars" if cost else ""
    text = f"{kept} trajectories of {done} tasks ({log.kept / done:.0%} accepted), {total:,} tokens{money}"
    summary: dict[str, Any] = {
        "text": f"{text}; {left} tasks are left: {stopped}" if left else text,
        "kept": kept,
        "tried": done,
        "dropped": dict(log.reasons),
        "share_dropped": round(1 - log.kept / done, 4),
        "prompts": Prompts(settings.agents.prompts).hash(),
        "spent": {role: spent.to_json() for role, spent in sorted(log.spent.items())},
        "tokens": total,
        "cost": round(cost, 6),
    }
    return summary | ({"unfinished": left} if left else {})
