"""The agent loop, shared by synthesis, reinforcement learning and evaluation.

In an episode the model thinks, searches, reads the results, and repeats this until it answers. A failed
rollout raises no error: every failure becomes the `status` of the trajectory. Episodes are coroutines: while
one episode waits for its search, the other episodes continue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

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
from masksearch.agent.protocol import Action, Answer, Invalid, Open, Search, parse_turn, stops
from masksearch.agent.settings import AgentSettings
from masksearch.agent.watch import Asked, Showed, Watch, Wrote, ignore
from masksearch.errors import ModelError, SearchError, UsageError
from masksearch.llm.base import Policy, Sampling, Session, StreamingSession, TokenRecord
from masksearch.llm.native_tools import FaultyGeneration
from masksearch.protocols import PageReader, Searcher
from masksearch.runtime.coroutines import run_coroutine
from masksearch.search.wrappers.hiding import search_for_task
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
    """The result of one rollout."""

    trajectory: Trajectory
    record: TokenRecord | None
    """The token record of the episode's session; None if the policy does not return token ids."""
    seconds: float = 0.0
    """Wall time in seconds since the session opened, including the time spent waiting for other episodes."""


class _Run:
    """The state of one episode."""

    def __init__(self, watch: Watch = ignore) -> None:
        self.watch = watch
        self.started = time.monotonic()
        self.turns: list[Turn] = []
        self.searches = self.opens = self.corrections = self.model_tokens = self.tool_tokens = 0
        self.answer, self.error = "", ""
        self.prompt_hash = ""
        self.search_errors: list[str] = []
        self.retrieved: list[tuple[str, ...]] = []
        self.parts: dict[str, int] = {}
        """Number of parts shown so far of each opened page, by document id."""

    def add(self, role: Literal["model", "tool"], text: str, tokens: int) -> None:
        """Adds a turn and counts its tokens."""
        self.turns.append(Turn(role=role, text=text))
        if role == "model":
            self.model_tokens += tokens
        else:
            self.tool_tokens += tokens


def check_tools(searcher: Searcher, settings: AgentSettings) -> None:
    """Raises UsageError if the settings offer the tool `open` but the searcher cannot open pages."""
    if settings.max_opens and not isinstance(searcher, PageReader):
        raise UsageError(
            f"The search '{searcher.fingerprint}' cannot open pages; "
            "leave agent.max_opens at 0, or search an index folder or Wikipedia."
        )


async def run_episode(
    task: Task,
    policy: Policy,
    searcher: Searcher,
    settings: AgentSettings,
    sampling: Sampling,
    episode_id: str = "",
    style: Style = "agent",
    watch: Watch = ignore,
) -> Episode:
    """Runs one episode of a task and returns its trajectory.

    Errors of the model and of the search are not raised; `Trajectory.status` and `Trajectory.search_errors`
    record them. After a failed search the model is told that the search failed, and the episode continues.

    If the task has `source_hidden`, its searches leave out the task's source article. The trajectory records
    the fingerprint of the searcher without this filter, because the record of the task already says that the
    source was hidden. `style` is the style of the system prompt. `watch` is called with each event while
    the episode runs; a cancelled episode frees its session.
    """
    run = _Run(watch)
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
            session, search_for_task(task, searcher), settings, run, task_language(task), style
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
    """Alternates model turns and tool texts until the episode ends; returns its status."""
    streams = run.watch is not ignore and isinstance(session, StreamingSession)
    if isinstance(session, StreamingSession) and streams:
        session.on_text = lambda text: run.watch(Wrote(text))
    while True:
        budget = min(settings.turn_tokens, settings.max_tokens - run.model_tokens)
        generation = await session.generate(stops(settings.tools), budget)
        run.add("model", generation.text, generation.tokens)
        if not streams:
            run.watch(Wrote(generation.text))
        if isinstance(generation, FaultyGeneration):
            # The text of a FaultyGeneration has no valid action and is not parsed; its `fault` says why.
            action: Action = Invalid(generation.fault)
        else:
            action = parse_turn(generation.text, settings.tools)
        if isinstance(action, Answer):
            run.answer = action.text
            return "answered"
        hits: Sequence[Hit] = ()
        if isinstance(action, Invalid):
            if generation.finish in ("length", "full"):
                run.error = action.reason
                return "too_long"
            if run.corrections == settings.corrections:
                run.error = action.reason
                return "no_answer"
            run.corrections += 1
            text = render_correction(settings.tools, language, style)
        elif _is_used_up(action, settings, run):
            return "too_many_searches"
        else:
            text, hits = await _use(action, searcher, settings, run, language)
        run.watch(Showed(text, tuple(hits)))
        run.add("tool", text, await session.append(text, hits))
        if run.model_tokens >= settings.max_tokens:
            return "too_long"


def _is_used_up(action: Search | Open, settings: AgentSettings, run: _Run) -> bool:
    """Whether the episode has already made all searches, or opened all pages, that the settings allow."""
    if isinstance(action, Search):
        return run.searches == settings.max_searches
    return run.opens == settings.max_opens


async def _use(
    action: Search | Open, searcher: Searcher, settings: AgentSettings, run: _Run, language: str
) -> tuple[str, list[Hit]]:
    """Carries out a search or opens a page; returns the tool's text and the search results.

    A failed search raises no error: its message is recorded, and the tool's text says that the search failed.
    """
    try:
        if isinstance(action, Open):
            run.watch(Asked("open", action.title))
            return await _open(action.title, searcher, settings, run, language), []
        run.watch(Asked("search", action.query))
        run.searches += 1
        hits = await searcher.asearch(action.query, settings.top_k)
        run.retrieved.append(tuple(hit.passage.id for hit in hits))
        return render_information(hits, settings.passage_words, language), hits
    except SearchError as error:
        run.search_errors.append(str(error))
        return render_failure(language), []


async def _open(title: str, searcher: Searcher, settings: AgentSettings, run: _Run, language: str) -> str:
    """Opens a page and returns one of its parts. The first call for a page returns its first part; each
    further call returns the part after the last part shown."""
    run.opens += 1
    page = await searcher.apage(title) if isinstance(searcher, PageReader) else None
    if page is None:
        return render_page(None, 1, settings.open_words, language)
    part = run.parts.get(page.doc_id, 0) + 1
    run.parts[page.doc_id] = part
    run.retrieved.append((page.doc_id,))
    return render_page(page, part, settings.open_words, language)


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
    """Builds the trajectory of an episode.

    The trajectory's copy of a RAMP task includes the answer form, which is needed to render the task's prompt
    again.
    """
    task_record = task_json(task)
    if isinstance(task, MaskedTask):
        task_record = {**task_record, "answer_form": settings.answer_form}
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
        task=task_record,
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
    """Runs a baseline without the agent loop: the model answers in one turn.

    With a searcher (the method rag), the prompt contains the search results for `query`. Without a searcher
    (the method closed-book), the model answers from memory. If the model's text has no answer tags, the
    answer is the whole text without the thoughts.
    """
    run = _Run()
    session: Session | None = None
    status: Status = "answered"
    try:
        information = ""
        if searcher is not None:
            run.searches = 1
            hits = await search_for_task(task, searcher).asearch(query, settings.top_k)
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
            run.answer = without_thoughts(generation.text, " ").replace("<answer>", " ").strip()
            status = "no_answer"
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
    """Runs coroutines concurrently and returns their results in order.

    Runs at most `limit` coroutines at a time; without a limit, all at once. Calls `on_done` with each
    result as soon as the result exists.
    """

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

    return run_coroutine(gather())


def roll_out(
    tasks: Sequence[Task],
    policy: Policy,
    searcher: Searcher,
    settings: AgentSettings,
    samplings: Sequence[Sampling],
    on_done: Callable[[Episode], None] | None = None,
    limit: int | None = None,
) -> list[Episode]:
    """Runs one episode per task, concurrently. `samplings` has one entry per task."""
    return run_all(
        (
            run_episode(task, policy, searcher, settings, sampling)
            for task, sampling in zip(tasks, samplings, strict=True)
        ),
        limit=limit,
        on_done=on_done,
    )
