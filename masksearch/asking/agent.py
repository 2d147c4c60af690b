"""A model with a search, loaded once, that answers questions one after the other or several at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from masksearch.agent.loop import check_tools, run_episode
from masksearch.agent.prompts import Style
from masksearch.agent.watch import Event, Noted, Watch, ignore
from masksearch.asking.notes import index_note, nothing_note, words_note
from masksearch.asking.patience import PatientPolicy
from masksearch.asking.settings import AskSettings
from masksearch.asking.sources import Found, Source, sources_of
from masksearch.errors import UsageError
from masksearch.llm.base import Policy, Sampling
from masksearch.llm.checkpoint import check_source
from masksearch.llm.settings import ENDPOINTS, check_url
from masksearch.protocols import Searcher
from masksearch.types import Question, Trajectory

LONGEST = 2000
"""Maximum number of characters of a question."""


@dataclass(frozen=True)
class Reply:
    """The answer to a question."""

    trajectory: Trajectory
    found: Found
    """What the answer rests on."""
    seconds: float
    notes: tuple[str, ...] = ()
    """Sentences about a question, a search and a model that may not fit each other."""
    timed_out: bool = False
    """Whether the model behind an endpoint did not answer in time."""

    @property
    def answer(self) -> str:
        """The answer; empty if the model gave none."""
        return self.trajectory.answer

    @property
    def sources(self) -> tuple[Source, ...]:
        """The passages that the answer rests on."""
        return self.found.sources

    @property
    def fault(self) -> str:
        """Why there is no answer, as a sentence; empty if there is one."""
        return "" if self.trajectory.status == "answered" else fault_of(self.trajectory)

    def to_json(self) -> dict[str, Any]:
        """Returns answer, sources and trajectory as plain JSON values."""
        return {
            "answer": self.answer,
            "fault": self.fault,
            "notes": list(self.notes),
            **self.found.to_json(),
            "seconds": round(self.seconds, 3),
            "trajectory": self.trajectory.to_json(),
        }


class Agent:
    """Answers questions with a model and a search. Its coroutines may run at the same time."""

    def __init__(self, policy: Policy, searcher: Searcher, settings: AskSettings) -> None:
        """Raises UsageError if the settings offer a tool that the search does not have."""
        check_tools(searcher, settings.agent)
        self.policy, self.searcher, self.settings = policy, searcher, settings
        self.style: Style = prompt_style(settings)
        self.remote = settings.model.startswith(ENDPOINTS)
        self.index_note = index_note(settings.model, searcher)
        """A sentence if the model was trained with another index; empty otherwise."""

    async def ask(self, question: str, watch: Watch = ignore) -> Reply:
        """Answers a question. `watch` is called with each event as it happens (see agent/watch.py), first
        with notes on the question.

        Raises UsageError for an empty or too long question. A failed model or search raises nothing: the
        reply's trajectory records it. Cancelling the coroutine stops the episode and frees its slot.
        """
        task = Question(id=question_id(question), question=checked(question), answers=())
        events: list[Event] = []
        notes: list[str] = []

        def both(event: Event) -> None:
            events.append(event)
            watch(event)

        def note(text: str) -> None:
            if text:
                notes.append(text)
                watch(Noted(text))

        note(self.index_note)
        unknown = words_note(task.question, self.searcher)
        note(unknown)
        policy = PatientPolicy(self.policy, self.settings.llm_timeout) if self.remote else self.policy
        episode = await run_episode(
            task,
            policy,
            self.searcher,
            self.settings.agent,
            Sampling(self.settings.temperature, self.settings.seed),
            style=self.style,
            watch=both,
        )
        trajectory = episode.trajectory
        if not unknown:
            note(nothing_note(trajectory, events))
        expired = isinstance(policy, PatientPolicy) and policy.expired
        found = sources_of(trajectory, events)
        return Reply(trajectory, found, episode.seconds, tuple(notes), expired)


def open_agent(index: str, settings: AskSettings) -> Agent:
    """Opens the search and the model of an agent. `index` is anything that `open_searcher` takes.

    Raises UsageError, ModelError, SearchError and MissingExtraError.
    """
    from masksearch.search import open_searcher

    if not settings.model:
        raise UsageError("A model is needed; name a checkpoint folder with --model.")
    check_model(settings)
    searcher = open_searcher(index, settings.search)
    return Agent(open_model(settings), searcher, settings)


def open_model(settings: AskSettings) -> Policy:
    """Opens the model that the settings name. Raises UsageError, ModelError and MissingExtraError."""
    from masksearch.llm.opening import open_policy

    return open_policy(
        settings.model,
        settings.llm,
        settings.dtype,
        settings.decode_slots,
        settings.agent.max_length,
        settings.llm_timeout,
        quickly=True,
    )


def check_model(settings: AskSettings) -> None:
    """Raises UsageError or ModelError if the settings cannot name a model. Loads none, so it is quick."""
    if settings.model.startswith(ENDPOINTS):
        check_url(settings.llm)
    else:
        check_source(settings.model)


def prompt_style(settings: AskSettings) -> Style:
    """Returns the style of the system prompt."""
    if settings.prompt == "agent-prompted":
        return "agent-prompted"
    if settings.prompt == "auto" and settings.model.startswith(ENDPOINTS):
        return "agent-tools" if settings.model.startswith("openai-tools:") else "agent-prompted"
    return "agent"


def question_id(question: str) -> str:
    """Returns an id that depends on the question's words alone."""
    return f"ask-{hashlib.sha256(question.strip().encode('utf-8', 'replace')).hexdigest()[:12]}"


def checked(question: str) -> str:
    """Returns the question without surrounding white space. Raises UsageError."""
    text = question.strip()
    if not text:
        raise UsageError("The question is empty; write a few words.")
    if len(text) > LONGEST:
        raise UsageError(f"The question has {len(text):,} characters; the longest allowed has {LONGEST:,}.")
    return text


def fault_of(trajectory: Trajectory) -> str:
    """Returns why a trajectory has no answer, as a sentence."""
    if trajectory.status == "model_failed" and trajectory.error:
        return trajectory.error
    searches = trajectory.usage.searches
    sentences = {
        "no_answer": "The model wrote neither a search nor an answer that can be read.",
        "too_long": "The model reached its limit of tokens before it answered (agent.max_tokens).",
        "too_many_searches": f"The model found no answer in {searches} searches (agent.max_searches).",
        "model_failed": "The model failed.",
        "search_failed": "The search failed.",
    }
    return sentences.get(trajectory.status, f"The episode ended: {trajectory.status}.")
