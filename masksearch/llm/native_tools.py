"""A policy for models that call tools natively, behind an OpenAI-compatible endpoint.

The session translates tool calls into turns of the tag protocol, so the one agent loop serves these
models too:

    model's message                                 recorded turn
    content "I look.", call search{"query": "q"}    <think>I look.</think>\\n<search>q</search>
    two calls in one message                        two turns in order; the next request follows both answers
    content "Paris", no call                        <answer>Paris</answer>
    a call that cannot be carried out               <think>..</think>\\nname(arguments); `fault` of the
                                                    generation holds the reason

Reasoning that the server separates from the content comes first in the thought. A tool's text goes back as a
message of the role `tool` with the id of its call. Every call gets an answer, because a server would refuse
the next request otherwise. A session offers the tools whose closing tags are among the stop strings, so the
agent loop never parses a tool that was not offered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.llm.endpoint import EndpointPolicy, Reply, deactivate_tags, request
from masksearch.types import Hit

PREFIX = "openai-tools:"
"""Prefix of the model's name in settings and records."""
_ARGUMENT = {"search": "query", "open": "title"}
"""Name of each tool's only argument."""
_DESCRIPTIONS = {
    "search": (
        "Searches a collection of texts and returns the passages that fit best.",
        "A few words to search for.",
    ),
    "open": (
        "Shows a page of the search results, and its next part when it is called again.",
        "The title of the page.",
    ),
}
# Strings by which we recognise a call in a model's own format. Such a call stays in the text if the server
# has no tool parser.
_UNPARSED_CALLS = ("<tool_call>", "[TOOL_CALLS]", "<|tool_call", "<function=", "<|python_tag|>")


@dataclass(frozen=True)
class FaultyGeneration(Generation):
    """A turn without a valid action; `fault` is the reason why the call or message is invalid."""

    fault: str = ""


@dataclass(frozen=True)
class _Call:
    """A tool call in two forms: for the history of messages, and as a turn of the tag protocol."""

    id: str
    name: str
    arguments: str
    turn: str
    fault: str

    def message(self) -> dict[str, Any]:
        """Returns the call in the form of the message history."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


class ToolsPolicy(EndpointPolicy):
    """Sessions with a model that gets the tools as native tools."""

    def __init__(self, model: str, url: str, timeout: float = 120.0, retries: int = 4) -> None:
        super().__init__(model, url, timeout, retries)
        self.name = f"{PREFIX}{model}"

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> ToolsSession:  # type: ignore[override]
        """Starts a conversation without sending a request."""
        return ToolsSession(self, messages, sampling)


class ToolsSession:
    """A conversation as a growing list of messages, with the tool calls that still need an answer."""

    record: TokenRecord | None = None

    def __init__(self, policy: ToolsPolicy, messages: Sequence[Message], sampling: Sampling) -> None:
        self.policy, self.sampling = policy, sampling
        self.messages: list[dict[str, Any]] = [dict(message) for message in messages]
        self.waiting: list[_Call] = []
        """Calls of the last message that the agent loop has not received yet."""
        self.current: _Call | None = None
        """The call that the next appended text answers."""
        self.call_count = 0

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Returns the next call of the model's last message as a turn, without a request. If no call is left,
        requests a new message.

        Raises ModelError.
        """
        if self.waiting:
            return self._hand_over("", 0, "stop")
        offered = tuple(name for name in _ARGUMENT if f"</{name}>" in stop)
        reply = await self.policy.ask(
            request(self.messages, max_tokens, self.sampling, tools=[schema(name) for name in offered])
        )
        self.messages.append({"role": "assistant", "content": reply.text})
        if not reply.calls:
            return _without_call(reply)
        self.waiting = [self._call(call, offered) for call in reply.calls]
        self.messages[-1]["tool_calls"] = [call.message() for call in self.waiting]
        return self._hand_over(
            _thought(reply.reasoning, reply.text),
            reply.tokens,
            "length" if reply.finish == "length" else "stop",
        )

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text: as the answer to the current call, or as a user message if there is no
        current call. Returns the number of words in the text."""
        content = text.strip()
        if self.current is None:
            self.messages.append({"role": "user", "content": content})
        else:
            self.messages.append({"role": "tool", "tool_call_id": self.current.id, "content": content})
            self.current = None
        return len(text.split())

    def close(self) -> None:
        """Does nothing: the server keeps no state for a session."""

    def _hand_over(self, thought: str, tokens: int, finish: Literal["stop", "length"]) -> Generation:
        """Removes the first call from `waiting`, makes it the current call, and returns it as a turn."""
        self.current = self.waiting.pop(0)
        text = f"{thought}\n{self.current.turn}" if thought else self.current.turn
        if self.current.fault:
            # `finish` tells the loop whether the call is wrong or was cut short by the token limit.
            return FaultyGeneration(text, finish, tokens, self.current.fault)
        return Generation(text, "stop", tokens)

    def _call(self, call: Mapping[str, Any], offered: Sequence[str]) -> _Call:
        """Translates one native tool call; a call that cannot be carried out gets a `fault`."""
        self.call_count += 1
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        name, raw = str(function.get("name") or ""), function.get("arguments")
        value, fault = _read_arguments(name, raw, offered)
        written = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
        turn = (
            deactivate_tags(f"{name}({written})") if fault else f"<{name}>{deactivate_tags(value)}</{name}>"
        )
        # The history goes back to the server, which parses the arguments again, so it must not contain
        # invalid JSON.
        history = json.dumps({_ARGUMENT[name]: value}, ensure_ascii=False) if not fault else "{}"
        call_id = str(call.get("id") or f"call_{self.call_count}")
        return _Call(call_id, name or "unknown", history, turn, fault)


def schema(name: str) -> dict[str, Any]:
    """Returns the description of a tool for the field `tools` of a request."""
    purpose, meaning = _DESCRIPTIONS[name]
    argument = _ARGUMENT[name]
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string", "description": meaning}},
        "required": [argument],
    }
    return {"type": "function", "function": {"name": name, "description": purpose, "parameters": parameters}}


def _read_arguments(name: str, raw: object, offered: Sequence[str]) -> tuple[str, str]:
    """Returns the argument of a call, and the reason why the call is invalid (empty for a valid call)."""
    if name not in offered:
        return "", f"a call of a tool that there is not: '{name[:40]}'"
    try:
        values = json.loads(raw) if isinstance(raw, str) else raw
    except (ValueError, RecursionError):
        return "", f"the arguments of {name} are no JSON"
    value = values.get(_ARGUMENT[name]) if isinstance(values, dict) else None
    if not isinstance(value, str):
        return "", f"the arguments of {name} lack the text '{_ARGUMENT[name]}'"
    return (value, "") if value.strip() else ("", f"an empty {name}")


def _thought(*parts: str) -> str:
    """Returns the texts of a message as one thought; empty if the message has no text.

    Removes the model's own think tags.
    """
    texts = [part.replace("<think>", "").replace("</think>", "").strip() for part in parts if part.strip()]
    thought = "\n".join(texts)
    return f"<think>{deactivate_tags(thought)}</think>" if thought.strip() else ""


def _without_call(reply: Reply) -> Generation:
    """Returns the turn of a message without a call.

    The message is the answer, unless it was cut short, is empty, is a refusal, or contains a call that
    the server did not parse.
    """
    thought, closed, rest = reply.text.partition("</think>")
    if closed:
        content = rest.strip()
    else:
        thought, content = "", reply.text.strip()
    before = _thought(reply.reasoning, thought)
    finish: Literal["length", "end"] = "length" if reply.finish == "length" else "end"
    if reply.refusal and not content:
        text = f"{before}\n{deactivate_tags(reply.refusal)}".strip()
        return FaultyGeneration(text, finish, reply.tokens, "the model refused")
    if any(mark in content for mark in _UNPARSED_CALLS):
        fault = "the server did not read the model's tool call; start it with its tool parser"
        return FaultyGeneration(f"{before}\n{deactivate_tags(content)}".strip(), finish, reply.tokens, fault)
    cut_short = finish == "length" or reply.finish == "content_filter" or content.startswith("<think>")
    if not content or cut_short:
        return Generation(f"{before}\n{deactivate_tags(content)}".strip(), finish, reply.tokens)
    # A model that was trained on our tags may write its answer in them.
    opened = content.rpartition("<answer>")[2]
    answer = deactivate_tags(opened.partition("</answer>")[0]).strip()
    return Generation(f"{before}\n<answer>{answer}</answer>".strip(), "stop", reply.tokens)
