"""Asks a model behind an endpoint for a JSON object.

Uses the strictest form of request that the server supports: a JSON schema, JSON mode, or the prompt alone.
Finds the object even if other text surrounds it, and asks once for a repair. Replies are parsed as JSON,
never evaluated as code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from masksearch.llm.base import Sampling
from masksearch.llm.endpoint import BAD_REQUEST, EndpointError, EndpointPolicy, Reply, request
from masksearch.text.thoughts import without_thoughts

T = TypeVar("T")
Read = Callable[[Mapping[str, Any]], T | str]
"""A function that turns a JSON object into a value. For an invalid object it returns the reason, as a
string."""
MOST_OPENINGS = 100
"""Maximum number of opening brackets of a reply that are tried as the start of the object."""


@dataclass(frozen=True)
class StructuredReply(Generic[T]):
    """The result of one question to a model.

    If no reply could be read, `value` is None and `fault` is the reason.
    """

    value: T | None
    fault: str
    replies: tuple[str, ...]
    """The model's replies, unchanged: one reply, or two if the first needed a repair."""
    prompt_tokens: int
    completion_tokens: int


class JsonModes:
    """The forms of a request for JSON: with a schema, in JSON mode, or by the prompt alone.

    Stores the first form that the server accepts; later requests start with this form.
    """

    def __init__(self) -> None:
        self._level = 0

    async def complete(
        self,
        policy: EndpointPolicy,
        messages: Sequence[Mapping[str, Any]],
        name: str,
        schema: Mapping[str, Any],
        max_tokens: int,
        sampling: Sampling,
    ) -> Reply:
        """Returns one reply, in the most exact form that the server accepts. Raises EndpointError."""
        forms: tuple[dict[str, Any], ...] = (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": name, "strict": True, "schema": schema},
                }
            },
            {"response_format": {"type": "json_object"}},
            {},
        )
        for level in range(self._level, len(forms)):
            try:
                reply = await policy.ask(request(messages, max_tokens, sampling, **forms[level]))
            except EndpointError as error:
                if error.status not in BAD_REQUEST or level + 1 == len(forms):
                    raise
                continue
            # The form is stored only after an answer: a server may reject a request for a reason other than
            # its form.
            self._level = max(self._level, level)
            return reply
        raise AssertionError("the last form either answers or raises")


class Structured:
    """Questions to one endpoint. After the first answer, all requests use the form that the server
    accepted."""

    def __init__(self, policy: EndpointPolicy, max_tokens: int) -> None:
        self.policy, self.max_tokens, self._forms = policy, max_tokens, JsonModes()

    async def ask(
        self,
        messages: Sequence[Mapping[str, Any]],
        name: str,
        schema: Mapping[str, Any],
        read: Read[T],
        repair: str,
        sampling: Sampling,
    ) -> StructuredReply[T]:
        """Asks for one object, which `read` turns into a value.

        If the first reply cannot be read, asks again with the message `repair` followed by the fault.
        Raises EndpointError.
        """
        first = await self._forms.complete(self.policy, messages, name, schema, self.max_tokens, sampling)
        value, fault = _take(first, read)
        if not fault:
            return StructuredReply(value, "", (first.text,), _prompt_tokens(first), first.tokens)
        more = [
            {"role": "assistant", "content": first.text or "(empty)"},
            {"role": "user", "content": f"{repair} ({fault})"},
        ]
        second = await self._forms.complete(
            self.policy, [*messages, *more], name, schema, self.max_tokens, sampling
        )
        value, fault = _take(second, read)
        return StructuredReply(
            value,
            fault,
            (first.text, second.text),
            _prompt_tokens(first) + _prompt_tokens(second),
            first.tokens + second.tokens,
        )


def _prompt_tokens(reply: Reply) -> int:
    """Returns the number of tokens of the prompt; 0 if the server does not count tokens."""
    return max(0, reply.total - reply.tokens)


def _take(reply: Reply, read: Read[T]) -> tuple[T | None, str]:
    """Reads the object in a reply: returns the value and an empty fault, or None and the fault."""
    if reply.refusal and not reply.text:
        return None, "the model refused"
    found = find_object(reply.text)
    if found is None:
        fault = "no JSON object" if reply.text.strip() else "an empty reply"
        if reply.finish == "length":
            fault += "; it was cut short, so raise the role's max_tokens"
        return None, fault
    value = read(found)
    return (None, value) if isinstance(value, str) else (value, "")


def find_object(text: str) -> dict[str, Any] | None:
    """Returns the first JSON object in a reply, or None. Ignores prose, fences and thoughts around it."""
    text = without_thoughts(text)
    place = text.find("{")
    for _ in range(MOST_OPENINGS):
        if place < 0:
            return None
        try:
            value, _end = json.JSONDecoder(strict=False).raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        if isinstance(value, dict):
            return value
        place = text.find("{", place + 1)
    return None
