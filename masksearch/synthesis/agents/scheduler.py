"""Many tasks at a time: what becomes of each is appended to a log as soon as it is known, and a run that was killed goes on with the rest.

    task -> team -> judge -> rewritten as one agent's trajectory -> checked -> kept, or rejected with its reason and full record

A task whose endpoint does not answer stays open, and the next start asks again; nothing of it is kept, so no task is ever done twice or lost. An
unreadable verdict is a reason to reject like any other, never a "correct".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from masksearch.agent.protocol import is_valid
from masksearch.errors import ModelError
from masksearch.llm.cost import Purse, Spent, price
from masksearch.llm.endpoint import EndpointError
from masksearch.protocols import Searcher
from masksearch.scoring.judge import Judge, item_of
from masksearch.scoring.metrics import score_task
from masksearch.synthesis.agents.roles import Roles, share
from masksearch.synthesis.agents.single_agent import rewrite
from masksearch.synthesis.agents.team import Team, Work
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task, Trajectory

OUTAGE = 8
"""So many tasks in a row without an answer (or as many as are worked at a time, if that is more) are an outage: the rest is not asked."""
REFUSED = (401, 403, 404)
Row = dict[str, Any]
"""An outcome as JSON: a line of the log."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task. `reason` is empty where its trajectory is kept."""

    task_id: str
    reason: str
    trajectory: Trajectory | None
    record: dict[str, Any]
    spent: dict[str, Spent]

    def to_json(self) -> Row:
        """A line of the log."""
        spent = {role: value.to_json() for role, value in self.spent.items()}
        trajectory = self.trajectory.to_json() if self.trajectory is not None else None
        return {
            "id": self.task_id,
            "reason": self.reason,
            "spent": spent,
            "trajectory": trajectory,
            "record": self.record,
        }


def spent_of(row: Row) -> dict[str, Spent]:
    """What a task has cost, by role."""
    return {role: Spent.from_json(values) for role, values in row["spent"].items()}


class Teacher:
    """The per-task function, whatever engine calls it."""

    def __init__(self, roles: Roles, searcher: Searcher, settings: SynthesizeSettings) -> None:
        self.settings, self.roles, self.team = settings, roles, Team(roles, searcher, settings)
        self.fingerprint = searcher.fingerprint
        role, agents = roles.role("judge"), settings.agents
        self.judge_model = role.model
        self.judge = Judge(
            role.llm,
            role.model,
            "strict",
            max_tokens=role.max_tokens,
            timeout=agents.timeout,
            retries=agents.retries,
        )
        self.judge_policy = self.judge.open_policy(roles.connections)

    async def teach(self, task: Task) -> Outcome:
        """One task. Raises EndpointError where an endpoint does not answer."""
        work = await self.team.work(task)
        reason, verdict = work.fault, ""
        spent = dict(work.spent)
        if not reason:
            said = await self.judge.verdict(item_of(task, work.answer), self.judge_policy)
            read = max(0, said.tokens - said.written)
            spent["judge"] = Spent(
                1,
                read,
                said.written,
                price(self.judge_model, read, said.written, self.settings.price_in, self.settings.price_out),
            )
            verdict = said.raw
            reason = said.error if said.correct is None else "" if said.correct else "judged incorrect"
        trajectory = None
        if not reason:
            trajectory, reason = await self._trajectory(task, work)
        return Outcome(task.id, reason, trajectory, record(work, verdict), spent)

    async def _trajectory(self, task: Task, work: Work) -> tuple[Trajectory | None, str]:
        episode = await rewrite(task, work, self.settings, self.fingerprint)
        if isinstance(episode, str):
            return None, episode
        trajectory = episode.trajectory
        if trajectory.status != "answered" or not is_valid(trajectory.turns, trajectory.tools):
            return None, f"not in valid form ({trajectory.error or trajectory.status})"
        score = score_task(trajectory.answer, task, self.settings.agent.answer_form)
        return trajectory.model_copy(update={"scores": score.to_json()}), ""

    async def close(self) -> None:
        """Closes the connections."""
        await self.roles.close()


def record(work: Work, verdict: str) -> dict[str, Any]:
    """All that was said on a task, for whoever wants to know why."""
    steps = [
        {
            "query": step.query,
            "queries": list(step.queries),
            "retrieved": [hit.passage.id for hit in step.merged],
        }
        for step in work.steps
    ]
    return {
        "answer": work.answer,
        "steps": steps,
        "said": [said.to_json() for said in work.said],
        "verdict": verdict,
    }


@asynccontextmanager
async def opened(settings: SynthesizeSettings, searcher: Searcher) -> AsyncIterator[Teacher]:
    """A teacher with its connections."""
    teacher = Teacher(Roles(settings), searcher, settings)
    try:
        yield teacher
    finally:
        await teacher.close()


class _Each:
    """Tasks that are all here, as tasks that have to be waited for."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting = iter(tasks)

    def __aiter__(self) -> AsyncIterator[Task]:
        return self

    async def __anext__(self) -> Task:
        for task in self._waiting:
            return task
        raise StopAsyncIteration


def at_a_time(in_flight: int) -> int:
    """Tasks that a process works: nearly twice as many as requests, so that the endpoint stays busy while some search or are written down; one for one."""
    return 2 * in_flight - 1


async def teach_all(
    teacher: Teacher,
    tasks: Iterable[Task] | AsyncIterator[Task],
    purse: Purse,
    on_done: Callable[[Outcome], bool],
) -> str:
    """Works tasks, many at a time, in constant memory; returns why tasks are left (the last that an endpoint said, or a limit), or "".

    `on_done` gets each outcome as it comes, and says whether more are wanted. Raises ModelError where an endpoint refuses the key or does not
    know the model, after what is under way has ended.
    """
    concurrency = at_a_time(share(teacher.settings))
    waiting = tasks if isinstance(tasks, AsyncIterator) else _Each(tasks)
    stop: list[str] = []
    failed, open_ = 0, ""
    raised: list[EndpointError] = []

    async def worker() -> None:
        nonlocal failed, open_
        async for task in waiting:
            if stop:
                return
            try:
                outcome = await teacher.teach(task)
            except EndpointError as error:
                failed, open_ = failed + 1, str(error)
                if error.status in REFUSED:
                    raised.append(error)
                if error.status in REFUSED or failed >= max(OUTAGE, concurrency):
                    stop.append(str(error))
                continue
            failed = 0
            purse.add(outcome.spent)
            if not on_done(outcome):
                stop.append("")
            elif purse.empty():
                stop.append(purse.told())

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as several:
        # What went wrong, not that something did: a prompt that cannot be filled in, a full disk.
        raise several.exceptions[0] from several
    if raised:
        raise ModelError(str(raised[0]))
    return next(filter(None, stop), open_)
