"""The interface between the agent loop and a model: policies, sessions, sampling and token records.

A policy opens sessions. A session is one growing conversation: it generates text until a stop string, and it
accepts the text of tools. Four back ends implement this interface. `llm.decoder.local_policy` (a checkpoint
in this process) and `llm.vllm` (the model that vLLM serves for a trainer) take and return tokens.
`llm.endpoint` uses any OpenAI-compatible server. `llm.scripted` gives fixed replies, for tests and for the
scripted teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict, runtime_checkable

from masksearch.types import Hit


class Message(TypedDict):
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Sampling:
    """How to sample tokens. Temperature 0 is greedy decoding. A model in this process gives equal samples for
    equal seeds."""

    temperature: float = 0.0
    seed: int = 0
    max_length: int = 1024
    """Maximum number of tokens a session may hold (prompt, model and tool together)."""


@dataclass(frozen=True)
class Generation:
    """The text that one call of `Session.generate` adds to a session, stop string included.

    `finish` is `stop` (a stop string), `end` (the model ended its turn), `length` (the token limit of the
    call) or `full` (the session has no room left).
    """

    text: str
    finish: Literal["stop", "end", "length", "full"]
    tokens: int


@dataclass
class TokenRecord:
    """The tokens of a session, exactly as the model read and wrote them.

    `ids`, `mask` and `logprobs` have equal length and start after the prompt. `mask` is 1 for tokens of the
    model and 0 for tokens of a tool; the log-probability of a tool's token is 0.
    """

    prompt_ids: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class Session(Protocol):
    """One growing conversation."""

    @property
    def record(self) -> TokenRecord | None:
        """Returns the tokens of the session so far; None if the policy does not know token ids."""

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Generates until a string of `stop`, the model's end of turn, or `max_tokens` tokens."""

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text and returns its number of tokens.

        `hits` are the search results, which scripted teachers read.
        """

    def close(self) -> None:
        """Frees the resources of the session."""


@runtime_checkable
class StreamingSession(Session, Protocol):
    """A session that can show its text while it writes it."""

    on_text: Callable[[str], None] | None
    """Called with each piece of a stretch, in order; the pieces together are the stretch's text."""


class Policy(Protocol):
    """A model that opens sessions."""

    @property
    def name(self) -> str:
        """Name recorded on trajectories."""

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> Session:
        """Starts a session. If the back end serves a limited number of sessions, waits until one of them
        ends."""
