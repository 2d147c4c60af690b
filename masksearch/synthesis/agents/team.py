"""Lets the team work on one task: a plan, then rounds of rewriting, searching and observing.

    planner   -> steps, the first thought, the first query
    rewriter  -> at least three queries for the same information       } at most `max_rounds` times
    search    -> all queries, merged round-robin, each passage once    }
    observer  -> answer, next step, reflect, or own knowledge          }

The observer chooses `reflect` (search again) when the results do not hold the information. After
`max_reflections` rounds that end so, it may answer from its own knowledge. In the last round it must answer,
from the results or, if it may, from its own knowledge. The roles never see the gold answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeVar

from masksearch.agent.prompts import task_prompt
from masksearch.errors import SearchError
from masksearch.llm.cost import Spent
from masksearch.llm.structured import Read
from masksearch.protocols import Searcher
from masksearch.search.wrappers.hiding import search_for_task
from masksearch.synthesis.agents.replies import (
    PLAN_SCHEMA,
    QUERIES_SCHEMA,
    Observation,
    Plan,
    Step,
    observation_schema,
    read_observation,
    read_plan,
    read_queries,
)
from masksearch.synthesis.agents.roles import Exchange, RoleName, Roles
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Hit, MaskedTask, Task


def merge(rankings: Sequence[Sequence[Hit]], most: int) -> list[Hit]:
    """Merges rankings round-robin: the first hit of each, then the second of each, and so on.

    Each passage appears once; the list has at most `most` hits.
    """
    merged: dict[str, Hit] = {}
    for row in zip_longest(*rankings):
        for hit in row:
            if hit is not None and len(merged) < most:
                merged.setdefault(hit.passage.id, hit)
    return list(merged.values())


T = TypeVar("T")


@dataclass
class Work:
    """The team's work on one task: its plan, its rounds, all requests and their cost."""

    plan: Plan | None = None
    steps: list[Step] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    spent: dict[str, Spent] = field(default_factory=dict)
    fault: str = ""
    """Reason why the team gave up; empty if it answered."""

    @property
    def answer(self) -> str:
        """The answer in the last observation; empty before the first observation."""
        return self.steps[-1].observation.answer if self.steps else ""


class _Stuck(Exception):
    """Raised if the team cannot continue with a task; the message is the reason for rejecting the task."""


class Team:
    """Runs the roles on tasks; the coroutines of several tasks may run at the same time in one event loop."""

    def __init__(self, roles: Roles, searcher: Searcher, settings: SynthesizeSettings) -> None:
        self.roles, self.searcher, self.settings = roles, searcher, settings

    async def work(self, task: Task) -> Work:
        """Works on one task until the team answers or gives up.

        Raises EndpointError if an endpoint still does not answer after all retries.
        """
        work = Work()
        try:
            await self._converse(task, work)
        except _Stuck as stuck:
            work.fault = str(stuck)
        return work

    async def _converse(self, task: Task, work: Work) -> None:
        """Runs the rounds and records each in `work`, so that finished rounds are kept if an error occurs."""
        agents, language = self.settings.agents, language_of(task, self.settings)
        words = task_prompt(task, self.settings.agent.answer_form)
        searcher = search_for_task(task, self.searcher)
        state = self.roles.state(language, words, (), (), "", None)
        plan = work.plan = await self._ask("planner", {}, state, PLAN_SCHEMA, read_plan, language, work)
        thought, query, reflections = plan.thought, plan.query, 0
        for number in range(1, agents.max_rounds + 1):
            state = self.roles.state(language, words, plan.steps, work.steps, query, None)
            reader = read_queries(agents.queries)
            rewritten = await self._ask(
                "rewriter", {"queries": agents.queries}, state, QUERIES_SCHEMA, reader, language, work
            )
            queries = tuple(dict.fromkeys((query, *rewritten)))
            rankings = await self._search(searcher, queries)
            merged = merge(rankings, agents.merged)
            last = number == agents.max_rounds
            allowed: tuple[str, ...] = ("answer",)
            if not last:
                allowed += ("next", "reflect")
            if reflections >= agents.max_reflections:
                allowed += ("knowledge",)
            state = self.roles.state(language, words, plan.steps, work.steps, query, merged, last)
            reader = read_observation(allowed, len(merged))
            observed: Observation = await self._ask(
                "observer", {"allowed": allowed}, state, observation_schema(allowed), reader, language, work
            )
            work.steps.append(
                Step(thought, query, queries, tuple(map(tuple, rankings)), tuple(merged), observed)
            )
            if observed.action in ("answer", "knowledge"):
                return
            reflections += observed.action == "reflect"
            thought, query = observed.thought, observed.query
        raise _Stuck("no answer after the last round")

    async def _ask(
        self,
        name: RoleName,
        values: dict[str, object],
        state: str,
        schema: dict[str, object],
        read: Read[T],
        language: str,
        work: Work,
    ) -> T:
        system = self.roles.prompts.fixed(name, language, **values)
        asked, exchange, spent = await self.roles.ask(name, system, state, schema, read, language)
        work.exchanges.append(exchange)
        work.spent[name] = work.spent.get(name, Spent()) + spent
        if asked.value is None:
            raise _Stuck(f"{name}: {asked.fault}")
        return asked.value

    async def _search(self, searcher: Searcher, queries: tuple[str, ...]) -> list[list[Hit]]:
        """Searches for all queries at once; returns the results of each.

        A query whose search fails has no results. If all searches fail, the team is stuck.
        """
        found = await asyncio.gather(
            *(searcher.asearch(query, self.settings.agents.per_query) for query in queries),
            return_exceptions=True,
        )
        for problem in found:
            if isinstance(problem, BaseException) and not isinstance(problem, SearchError):
                raise problem
        if all(isinstance(result, SearchError) for result in found):
            raise _Stuck(f"search failed: {found[0]}")
        return [[] if isinstance(result, BaseException) else result for result in found]


def language_of(task: Task, settings: SynthesizeSettings) -> str:
    """Returns the language of the prompts, en or zh: the task's; if it names none, that of the settings."""
    own = task.language if isinstance(task, MaskedTask) else ""
    return "zh" if (own or settings.agents.language) == "zh" else "en"
