"""The agent loop, the only one: synthesis, reinforcement learning and evaluation all roll out through it.

think -> search -> information -> ... -> answer. A bad rollout is data, not a crash: whatever goes wrong becomes the
trajectory's status. Episodes are coroutines, so that while one waits for its search the others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from masksearch.agent.prompts import (
    Style,
    messages,
    messages_hash,
    method_prompt,
    render_correction,
    render_failure,
    render_information,
    render_page,
    task_language,
    templates_hash,
)
from masksearch.agent.protocol import Answer, Invalid, Open, Search, parse_turn, stops
from masksearch.agent.settings import AgentSettings
from masksearch.errors import ModelError, SearchError, UsageError
from masksearch.llm.base import Policy, Sampling, Session, TokenRecord
from masksearch.llm.native_tools import FaultyGeneration
from masksearch.protocols import PageReader, Searcher
from masksearch.search.wrappers.hiding import as_seen_by
from masksearch.text.thoughts import without_thoughts
from masksearch.types import (
    SEARCH_ONLY,
    Hit,
    MaskedTask,
    Status,
    Task,
    Tools,
    Trajectory,
    Turn,
    Usage,
    task_json,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Episode:
    """A trajectory, with its tokens where the policy knows them."""

    trajectory: Trajectory
    record: TokenRecord | None
    seconds: float = 0.0
    """Wall time from the moment its session was open, the waiting for other episodes' turns included."""


class _Run:
    """What has happened so far in one episode."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.turns: list[Turn] = []
        self.searches = self.opens = self.corrections = self.model_tokens = self.tool_tokens = 0
        self.answer, self.error = "", ""
        self.prompt_hash = ""
        self.search_errors: list[str] = []
        self.retrieved: list[tuple[str, ...]] = []
        self.parts: dict[str, int] = {}
        """How many parts have been shown of each page that was opened."""

    def add(self, role: Any, text: str, tokens: int) -> None:
        self.turns.append(Turn(role=role, text=text))
        if role == "model":
            self.model_tokens += tokens
        else:
            self.tool_tokens += tokens


def check_tools(searcher: Searcher, settings: AgentSettings) -> None:
    """Raises UsageError where the agent is offered what the searcher cannot do."""
    if settings.max_opens and not isinstance(searcher, PageReader):
        raise UsageError(
            f"The search '{searcher.fingerprint}' cannot open pages; leave agent.max_opens at 0, or search an index folder or Wikipedia."
        )


async def run_episode(
    task: Task,
    policy: Policy,
    searcher: Searcher,
    settings: AgentSettings,
    sampling: Sampling,
    episode_id: str = "",
    style: Style = "agent",
) -> Episode:
    """Rolls out one task. Never raises for what the model or the search does; see Trajectory.status and Trajectory.search_errors.

    A search that fails is shown to the model as failed, and the episode goes on. Where the task hides its source, its searches do too. The
    trajectory names the searcher all the same: what was hidden stands in its task. `style` is how the model is told what it can do.
    """
    run = _Run()
    session: Session | None = None
    try:
        prompt = method_prompt(settings.tools, style)
        chat = messages(
            task,
            prompt,
            settings.answer_form,
            max_searches=settings.max_searches,
            max_opens=settings.max_opens,
        )
        run.prompt_hash = messages_hash(chat)
        session = await policy.open(chat, replace(sampling, max_length=settings.max_length))
        run.started = time.monotonic()
        status = await _converse(
            session, as_seen_by(task, searcher), settings, run, task_language(task), style
        )
    except ModelError as error:
        status, run.error = "model_failed", str(error)
    finally:
        if session is not None:
            session.close()
    return finish_episode(
        task, run, status, policy.name, searcher.fingerprint, session, episode_id, settings, settings.tools
    )


async def _converse(
    session: Session, searcher: Searcher, settings: AgentSettings, run: _Run, language: str, style: Style
) -> Status:
    while True:
        generation = await session.generate(
            stops(settings.tools), min(settings.turn_tokens, settings.max_tokens - run.model_tokens)
        )
        run.add("model", generation.text, generation.tokens)
        action = (
            Invalid(generation.fault)
            if isinstance(generation, FaultyGeneration)
            else parse_turn(generation.text, settings.tools)
        )
        if isinstance(action, Answer):
            run.answer = action.text
            return "answered"
        if isinstance(action, Invalid):
            cut_short = generation.finish in ("length", "full")
            if cut_short or run.corrections == settings.corrections:
                run.error = action.reason
                return "too_long" if cut_short else "no_answer"
            run.corrections += 1
            hits: Sequence[Hit] = ()
            text = render_correction(settings.tools, language, style)
        else:
            if (
                run.searches == settings.max_searches
                if isinstance(action, Search)
                else run.opens == settings.max_opens
            ):
                return "too_many_searches"
            text, hits = await _use(action, searcher, settings, run, language)
        run.add("tool", text, await session.append(text, hits))
        if run.model_tokens >= settings.max_tokens:
            return "too_long"


async def _use(
    action: Search | Open, searcher: Searcher, settings: AgentSettings, run: _Run, language: str
) -> tuple[str, list[Hit]]:
    """What a tool says, and what it found. A failure is said, and noted."""
    try:
        if isinstance(action, Open):
            return await _open(action.title, searcher, settings, run, language), []
        run.searches += 1
        hits = await searcher.asearch(action.query, settings.top_k)
        run.retrieved.append(tuple(hit.passage.id for hit in hits))
        return render_information(hits, settings.passage_words, language), hits
    except SearchError as error:
        run.search_errors.append(str(error))
        return render_failure(language), []


async def _open(title: str, searcher: Searcher, settings: AgentSettings, run: _Run, language: str) -> str:
    """The first part of a page, or the one behind that which was shown last."""
    run.opens += 1
    page = await searcher.apage(title) if isinstance(searcher, PageReader) else None
    if page is not None:
        run.parts[page.doc_id] = run.parts.get(page.doc_id, 0) + 1
        run.retrieved.append((page.doc_id,))
    return render_page(page, run.parts[page.doc_id] if page is not None else 1, settings.open_words, language)


def finish_episode(
    task: Task,
    run: _Run,
    status: Status,
    model: str,
    retriever: str,
    session: Session | None,
    episode_id: str,
    settings: AgentSettings,
    tools: Tools = SEARCH_ONLY,
) -> Episode:
    """Puts the record of an episode together. The answer form goes with a RAMP task: the prompt cannot be told without it."""
    record = session.record if session is not None else None
    usage = Usage(
        searches=run.searches,
        opens=run.opens,
        corrections=run.corrections,
        model_tokens=run.model_tokens,
        tool_tokens=run.tool_tokens,
        prompt_tokens=len(record.prompt_ids) if record is not None else 0,
    )
    trajectory = Trajectory(
        id=episode_id or task.id,
        task={
            **task_json(task),
            **({"answer_form": settings.answer_form} if isinstance(task, MaskedTask) else {}),
        },
        turns=tuple(run.turns),
        answer=run.answer,
        status=status,
        model=model,
        retriever=retriever,
        usage=usage,
        error=run.error,
        tools=tools,
        prompt_hash=run.prompt_hash,
        templates_hash=templates_hash(),
        search_errors=tuple(run.search_errors),
        retrieved=tuple(run.retrieved),
    )
    return Episode(trajectory, record, time.monotonic() - run.started)


async def run_single_turn(
    task: Task,
    policy: Policy,
    searcher: Searcher | None,
    settings: AgentSettings,
    sampling: Sampling,
    query: str = "",
) -> Episode:
    """The baselines without an agent: one answer, from results retrieved once with `query` (rag) or from nothing (closed-book).

    Where the model sets no answer tags, its whole text but its thoughts counts as its answer.
    """
    run = _Run()
    session: Session | None = None
    status: Status = "answered"
    try:
        information = ""
        if searcher is not None:
            run.searches = 1
            hits = await as_seen_by(task, searcher).asearch(query, settings.top_k)
            run.retrieved.append(tuple(hit.passage.id for hit in hits))
            information = render_information(hits, settings.passage_words, task_language(task))
            run.add("tool", information, 0)
        chat = messages(
            task, "rag" if searcher is not None else "closed-book", settings.answer_form, information
        )
        run.prompt_hash = messages_hash(chat)
        session = await policy.open(chat, replace(sampling, max_length=settings.max_length))
        run.started = time.monotonic()
        generation = await session.generate(("</answer>",), settings.turn_tokens)
        run.add("model", generation.text, generation.tokens)
        action = parse_turn(generation.text)
        if isinstance(action, Answer):
            run.answer = action.text
        else:
            run.answer, status = (
                without_thoughts(generation.text, " ").replace("<answer>", " ").strip(),
                "no_answer",
            )
    except SearchError as error:
        status, run.error = "search_failed", str(error)
        run.search_errors.append(str(error))
    except ModelError as error:
        status, run.error = "model_failed", str(error)
    finally:
        if session is not None:
            session.close()
    retriever = searcher.fingerprint if searcher is not None else ""
    return finish_episode(task, run, status, policy.name, retriever, session, task.id, settings)


def run_all(
    jobs: Iterable[Coroutine[Any, Any, T]],
    limit: int | None = None,
    on_done: Callable[[T], None] | None = None,
) -> list[T]:
    """Runs coroutines together, at most `limit` at a time, and returns their results in order."""

    async def gather() -> list[T]:
        gate = asyncio.Semaphore(limit) if limit else None

        async def one(job: Coroutine[Any, Any, T]) -> T:
            if gate is None:
                result = await job
            else:
                async with gate:
                    result = await job
            if on_done is not None:
                on_done(result)
            return result

        return list(await asyncio.gather(*map(one, list(jobs))))

    return asyncio.run(gather())


def roll_out(
    tasks: Sequence[Task],
    policy: Policy,
    searcher: Searcher,
    settings: AgentSettings,
    samplings: Sequence[Sampling],
    on_done: Callable[[Episode], None] | None = None,
    limit: int | None = None,
) -> list[Episode]:
    """Rolls out tasks together, each with its own sampling."""
    return run_all(
        (
            run_episode(task, policy, searcher, settings, sampling)
            for task, sampling in zip(tasks, samplings, strict=True)
        ),
        limit=limit,
        on_done=on_done,
    )
