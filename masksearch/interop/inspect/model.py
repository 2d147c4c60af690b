"""A model of Inspect (https://inspect.aisi.org.uk) as a policy, so that the one agent loop runs on whatever Inspect can talk to.

A model turn is an assistant message, a tool's text a user message, as with any endpoint. Stop strings and the limit of a turn are set by the
loop; temperature, seed and all else are Inspect's own settings. What a provider raises is left to Inspect, which tries again or counts the sample as an error.
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
    """Sessions with one of Inspect's models. `opened` are those of this policy, first to last."""

    def __init__(self, model: Model) -> None:
        self.model, self.name = model, f"inspect:{model}"
        self.opened: list[InspectSession] = []

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> InspectSession:
        """Starts a conversation; nothing is sent yet. The sampling is Inspect's."""
        self.opened.append(
            InspectSession(
                self.model, [_KINDS[message["role"]](content=message["content"]) for message in messages]
            )
        )
        return self.opened[-1]


class InspectSession:
    """A growing list of Inspect's messages."""

    record: TokenRecord | None = None

    def __init__(self, model: Model, messages: list[ChatMessage]) -> None:
        self.model, self.messages = model, messages

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Asks for the next assistant message. Raises ModelError where the reply says that it failed."""
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
        """A tool's text is the next user message."""
        self.messages.append(ChatMessageUser(content=text.strip()))
        return len(text.split())

    def close(self) -> None:
        """Nothing is held."""


def reasoning_of(output: ModelOutput) -> str:
    """What the provider kept apart as the model's thinking."""
    content = output.message.content
    parts = (
        [] if isinstance(content, str) else [part for part in content if isinstance(part, ContentReasoning)]
    )
    return "\n".join(part.reasoning for part in parts if not part.redacted).strip()


def tokens_of(output: ModelOutput) -> int:
    """Tokens that the model wrote; words where the provider does not count."""
    return output.usage.output_tokens if output.usage else len(output.message.text.split())
