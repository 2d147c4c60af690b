"""Wraps an Inspect model (https://inspect.aisi.org.uk) as a policy.

So the agent loop can run any model that Inspect supports. A model turn is an assistant message and a
tool's text a user message, as with any endpoint. The agent loop sets the stop strings and the token limit
of a turn; temperature, seed and all other settings are Inspect's. Errors of a model provider propagate
to Inspect, which retries the request or counts the sample as an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ContentReasoning,
    GenerateConfig,
    Model,
    ModelOutput,
)

from masksearch.errors import ModelError
from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.llm.endpoint import restore_stop, with_reasoning
from masksearch.types import Hit

_KINDS = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
_TOO_LONG = ("max_tokens", "model_length")


class InspectPolicy:
    """Opens sessions with an Inspect model. `opened` lists this policy's sessions in order."""

    def __init__(self, model: Model) -> None:
        self.model, self.name = model, f"inspect:{model}"
        self.opened: list[InspectSession] = []

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> InspectSession:
        """Starts a conversation without sending a request. Ignores `sampling`: Inspect's settings apply."""
        self.opened.append(
            InspectSession(
                self.model, [_KINDS[message["role"]](content=message["content"]) for message in messages]
            )
        )
        return self.opened[-1]


class InspectSession:
    """A conversation as a growing list of Inspect messages."""

    record: TokenRecord | None = None

    def __init__(self, model: Model, messages: list[ChatMessage]) -> None:
        self.model, self.messages = model, messages

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Requests the next assistant message. Raises ModelError if the reply is empty or an error."""
        output = await self.model.generate(
            list(self.messages), config=GenerateConfig(stop_seqs=list(stop), max_tokens=max_tokens)
        )
        if output.error or not output.choices:
            raise ModelError(
                f"The model {self.model} gave no usable answer ({output.error or 'an empty reply'})."
            )
        text, finish = restore_stop(
            output.message.text,
            stop,
            "length" if output.stop_reason in _TOO_LONG else str(output.stop_reason),
        )
        text = with_reasoning(reasoning_of(output), text)
        self.messages.append(ChatMessageAssistant(content=text, model=output.model, source="generate"))
        return Generation(text, finish, tokens_of(output))  # type: ignore[arg-type]

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text as the next user message; returns its number of words."""
        self.messages.append(ChatMessageUser(content=text.strip()))
        return len(text.split())

    def close(self) -> None:
        """Does nothing: the session holds no resources."""


def reasoning_of(output: ModelOutput) -> str:
    """Returns the reasoning that the provider separated from the reply, or an empty string."""
    content = output.message.content
    parts = (
        [] if isinstance(content, str) else [part for part in content if isinstance(part, ContentReasoning)]
    )
    return "\n".join(part.reasoning for part in parts if not part.redacted).strip()


def tokens_of(output: ModelOutput) -> int:
    """Returns the number of tokens the model wrote, or of words if the provider does not count tokens."""
    return output.usage.output_tokens if output.usage else len(output.message.text.split())
