"""Asks a model behind an endpoint for a JSON object: in the form the server offers, read leniently, repaired once, never evaluated."""

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
"""Takes a JSON object apart: what is wanted, or what is wrong with it, as a phrase."""
MOST_OPENINGS = 100
"""Brackets of a reply that are tried as the beginning of the object."""


@dataclass(frozen=True)
class Asked(Generic[T]):
    """What came of one question. `value` is None where no reply could be read; `fault` then says why."""

    value: T | None
    fault: str
    replies: tuple[str, ...]
    """As the model wrote them: one, or two where the first had to be repaired."""
    prompt_tokens: int
    completion_tokens: int


class JsonForms:
    """How a server is asked for JSON: by a schema, in JSON mode, or in words alone. How much of it a server takes is found out once."""

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
        """One reply, in the most exact form that the server takes. Raises EndpointError."""
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
            # Only what has been answered counts: a request that is bad for another reason says nothing about the form.
            self._level = max(self._level, level)
            return reply
        raise AssertionError("the last form either answers or raises")


class Structured:
    """Questions to one endpoint, in the same form from the first that was answered on."""

    def __init__(self, policy: EndpointPolicy, max_tokens: int) -> None:
        self.policy, self.max_tokens, self._forms = policy, max_tokens, JsonForms()

    async def ask(
        self,
        messages: Sequence[Mapping[str, Any]],
        name: str,
        schema: Mapping[str, Any],
        read: Read[T],
        repair: str,
        sampling: Sampling,
    ) -> Asked[T]:
        """One object. `repair` is what the model is told where the first reply cannot be read, before `fault`. Raises EndpointError."""
        first = await self._forms.complete(self.policy, messages, name, schema, self.max_tokens, sampling)
        value, fault = _take(first, read)
        if not fault:
            return Asked(value, "", (first.text,), _prompt(first), first.tokens)
        more = [
            {"role": "assistant", "content": first.text or "(empty)"},
            {"role": "user", "content": f"{repair} ({fault})"},
        ]
        second = await self._forms.complete(
            self.policy, [*messages, *more], name, schema, self.max_tokens, sampling
        )
        value, fault = _take(second, read)
        return Asked(
            value,
            fault,
            (first.text, second.text),
            _prompt(first) + _prompt(second),
            first.tokens + second.tokens,
        )


def _prompt(reply: Reply) -> int:
    return max(0, reply.total - reply.tokens)


def _take(reply: Reply, read: Read[T]) -> tuple[T | None, str]:
    """What was read, or what is wrong."""
    if reply.refusal and not reply.text:
        return None, "the model refused"
    found = find_object(reply.text)
    if found is None:
        cut = "; it was cut short, so raise the role's max_tokens" if reply.finish == "length" else ""
        return None, f"no JSON object{cut}" if reply.text.strip() else f"an empty reply{cut}"
    value = read(found)
    return (None, value) if isinstance(value, str) else (value, "")


def find_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a reply, whatever stands around it (prose, a fence, a thought); None without one."""
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
