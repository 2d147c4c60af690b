"""Teaches many tasks at a time. Each outcome goes into the log at once, and a resumed run teaches the rest.

    task -> the team works -> the judge judges -> the cited evidence is checked
         -> the work is rewritten as one agent's trajectory -> the trajectory is checked
         -> kept, or rejected with a reason

If an endpoint does not answer, the task gets no outcome, and the next start of the run teaches it again. So
every task gets exactly one outcome. If the judge's verdict cannot be read, the task is rejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from masksearch.agent.protocol import is_valid
from masksearch.errors import ModelError
from masksearch.llm.cost import Budget, Spent, price
from masksearch.llm.endpoint import EndpointError
from masksearch.protocols import Searcher
from masksearch.scoring.grounding import ground
from masksearch.scoring.judge import Judge, item_of
from masksearch.scoring.metrics import score_task
from masksearch.synthesis.agents.roles import Roles, share
from masksearch.synthesis.agents.single_agent import evidence_fault, rewrite
from masksearch.synthesis.agents.team import Team, Work
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task, Trajectory

OUTAGE = 8
"""Number of tasks in a row without an answer that counts as an outage of the endpoint, which ends the run. If
more tasks than this run at a time, their number is used instead."""
REFUSED = (401, 403, 404)
"""HTTP statuses of an endpoint that rejects the key or does not know the model. They end the run."""
Row = dict[str, Any]
"""An outcome as JSON: a line of the log."""


@dataclass(frozen=True)
class Outcome:
    """The result of the team's work on a task: a kept trajectory, or the reason for rejecting the task."""

    task_id: str
    reason: str
    """Reason why the task is rejected; empty if its trajectory is kept."""
    trajectory: Trajectory | None
    record: dict[str, Any]
    """All requests to the roles and their replies (see the function `record`)."""
    spent: dict[str, Spent]
    """Role -> tokens and cost of its requests for this task."""

    def to_json(self) -> Row:
        """Returns the line of the log."""
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
    """Returns the cost of a task, by role."""
    return {role: Spent.from_json(values) for role, values in row["spent"].items()}


class Teacher:
    """Turns one task into an outcome. The local and the Ray engine both use it."""

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
        """Lets the team work on a task, judges the answer and rewrites the work. Raises EndpointError."""
        work = await self.team.work(task)
        reason, verdict = work.fault, ""
        spent = dict(work.spent)
        if not reason:
            judged = await self.judge.verdict(item_of(task, work.answer), self.judge_policy)
            prompt_tokens = max(0, judged.tokens - judged.written)
            prices = self.settings.price_in, self.settings.price_out
            cost = price(self.judge_model, prompt_tokens, judged.written, *prices)
            spent["judge"] = Spent(1, prompt_tokens, judged.written, cost)
            verdict = judged.raw
            if judged.correct is None:
                reason = judged.error
            elif not judged.correct:
                reason = "judged incorrect"
        trajectory = None
        if not reason:
            trajectory, reason = await self._trajectory(task, work)
        return Outcome(task.id, reason, trajectory, record(work, verdict), spent)

    async def _trajectory(self, task: Task, work: Work) -> tuple[Trajectory | None, str]:
        """Returns the scored trajectory and an empty text, or None and the reason for rejecting it."""
        if self.settings.agents.grounded and (fault := evidence_fault(task, work, self.settings)):
            return None, fault
        episode = await rewrite(task, work, self.settings, self.fingerprint)
        if isinstance(episode, str):
            return None, episode
        trajectory = episode.trajectory
        if trajectory.status != "answered" or not is_valid(trajectory.turns, trajectory.tools):
            return None, f"not in valid form ({trajectory.error or trajectory.status})"
        if self.settings.agents.grounded and (fault := ground(trajectory).fault):
            return None, fault
        score = score_task(trajectory.answer, task, self.settings.agent.answer_form)
        return trajectory.model_copy(update={"scores": score.to_json()}), ""

    async def close(self) -> None:
        """Closes the connections to all endpoints."""
        await self.roles.close()


def record(work: Work, verdict: str) -> dict[str, Any]:
    """Returns all requests and replies of a task as JSON, so that a user can trace its outcome."""
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
        "said": [exchange.to_json() for exchange in work.exchanges],
        "verdict": verdict,
    }


@asynccontextmanager
async def opened(settings: SynthesizeSettings, searcher: Searcher) -> AsyncIterator[Teacher]:
    """Context manager: opens a teacher, and closes its connections at the end."""
    teacher = Teacher(Roles(settings), searcher, settings)
    try:
        yield teacher
    finally:
        await teacher.close()


class _AsAsync:
    """An asynchronous iterator over tasks that are all in memory."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting = iter(tasks)

    def __aiter__(self) -> AsyncIterator[Task]:
        return self

    async def __anext__(self) -> Task:
        for task in self._waiting:
            return task
        raise StopAsyncIteration


def at_a_time(in_flight: int) -> int:
    """Returns the number of tasks that a process works on at a time: 2n - 1 for n requests in flight.

    With more tasks than requests, the endpoint stays busy while some tasks search or are logged. With one
    request in flight, the process works on one task at a time.
    """
    return 2 * in_flight - 1


async def teach_all(
    teacher: Teacher,
    tasks: Iterable[Task] | AsyncIterator[Task],
    budget: Budget,
    on_done: Callable[[Outcome], bool],
) -> str:
    """Teaches tasks, many at a time, in constant memory.

    Returns the reason why tasks are left (the last error of an endpoint, or the limit that was reached),
    or an empty string. `on_done` is called with each outcome as soon as it is known, and returns whether
    more outcomes are wanted. If an endpoint rejects the key or does not know the model, the running tasks
    end first, then ModelError is raised.
    """
    concurrency = at_a_time(share(teacher.settings))
    waiting = tasks if isinstance(tasks, AsyncIterator) else _AsAsync(tasks)
    stop: list[str] = []  # reasons to stop; "" means that no more outcomes are wanted
    failed, last_error = 0, ""  # number of tasks in a row without an answer, and the last error
    refusals: list[EndpointError] = []

    async def worker() -> None:
        nonlocal failed, last_error
        async for task in waiting:
            if stop:
                return
            try:
                outcome = await teacher.teach(task)
            except EndpointError as error:
                failed, last_error = failed + 1, str(error)
                if error.status in REFUSED:
                    refusals.append(error)
                if error.status in REFUSED or failed >= max(OUTAGE, concurrency):
                    stop.append(str(error))
                continue
            failed = 0
            budget.add(outcome.spent)
            if not on_done(outcome):
                stop.append("")
            elif budget.empty():
                stop.append(budget.limit_message())

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as several:
        # The user should see the error itself (an invalid prompt file, a full disk), not the exception group
        # around it.
        raise several.exceptions[0] from several
    if refusals:
        raise ModelError(str(refusals[0]))
    return next(filter(None, stop), last_error)
