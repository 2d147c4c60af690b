"""An OpenAI-compatible endpoint whose model calls tools natively. The session translates, so that the agent loop stays the only one.

    model's message                                   turn on record
    content "I look.", call search{"query": "q"}      <think>I look.</think>\\n<search>q</search>
    two calls in one message                          two turns, one after the other; the model is asked again when both are answered
    content "Paris", no call                          <answer>Paris</answer>
    a call that cannot be carried out                 <think>..</think>\\nname(arguments), with the reason as the generation's `fault`

Reasoning that the server keeps apart comes before the content in the thought. A tool's text goes back as a message of the role `tool` with the id
of its call. No call stays without an answer: a server would refuse the next request. Which tools there are is read off the stop strings, so that
what is offered and what is parsed cannot drift apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.llm.endpoint import EndpointPolicy, Reply, request, soften
from masksearch.types import Hit

PREFIX = "openai-tools:"
"""Of a model's name in settings and on record."""
_ARGUMENT = {"search": "query", "open": "title"}
_TOLD = {
    "search": (
        "Searches a collection of texts and returns the passages that fit best.",
        "A few words to search for.",
    ),
    "open": (
        "Shows a page of the search results, and its next part when it is called again.",
        "The title of the page.",
    ),
}
# What a model's own format for calls looks like where the server has not read it.
_UNREAD = ("<tool_call>", "[TOOL_CALLS]", "<|tool_call", "<function=", "<|python_tag|>")


@dataclass(frozen=True)
class FaultyGeneration(Generation):
    """A turn that asks for something that cannot be done; `fault` says why."""

    fault: str = ""


@dataclass(frozen=True)
class _Call:
    """A tool call as it goes back in the history, and as a turn."""

    id: str
    name: str
    arguments: str
    turn: str
    fault: str

    def message(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


class ToolsPolicy(EndpointPolicy):
    """Sessions with a model that is offered the tools natively."""

    def __init__(self, model: str, url: str, timeout: float = 120.0, retries: int = 4) -> None:
        super().__init__(model, url, timeout, retries)
        self.name = f"{PREFIX}{model}"

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> ToolsSession:  # type: ignore[override]
        """Starts a conversation; nothing is sent yet."""
        return ToolsSession(self, messages, sampling)


class ToolsSession:
    """A growing list of messages, with the calls that still wait for their answers."""

    record: TokenRecord | None = None

    def __init__(self, policy: ToolsPolicy, messages: Sequence[Message], sampling: Sampling) -> None:
        self.policy, self.sampling = policy, sampling
        self.messages: list[dict[str, Any]] = [dict(message) for message in messages]
        self.waiting: list[_Call] = []
        """Calls of the last message that have not been handed to the loop."""
        self.current: _Call | None = None
        """The call whose answer is the next thing appended."""
        self.made = 0

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """The next call of the last message, at no cost; after its last one, the model's next message. Raises ModelError."""
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
        """The answer to the call that was handed over last; where there was none, a user's message."""
        content = text.strip()
        if self.current is None:
            self.messages.append({"role": "user", "content": content})
        else:
            self.messages.append({"role": "tool", "tool_call_id": self.current.id, "content": content})
            self.current = None
        return len(text.split())

    def close(self) -> None:
        """Nothing is held on the server."""

    def _hand_over(self, thought: str, tokens: int, finish: Any) -> Generation:
        self.current = self.waiting.pop(0)
        text = f"{thought}\n{self.current.turn}" if thought else self.current.turn
        if self.current.fault:
            # An unreadable call of a message that was cut short is a matter of length.
            return FaultyGeneration(text, finish, tokens, self.current.fault)
        return Generation(text, "stop", tokens)

    def _call(self, call: Mapping[str, Any], offered: Sequence[str]) -> _Call:
        self.made += 1
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        name, raw = str(function.get("name") or ""), function.get("arguments")
        value, fault = _read_arguments(name, raw, offered)
        written = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
        turn = soften(f"{name}({written})") if fault else f"<{name}>{soften(value)}</{name}>"
        # What is no JSON must not go back: servers take the arguments of the history apart again.
        history = json.dumps({_ARGUMENT[name]: value}, ensure_ascii=False) if not fault else "{}"
        return _Call(str(call.get("id") or f"call_{self.made}"), name or "unknown", history, turn, fault)


def schema(name: str) -> dict[str, Any]:
    """What a model is told of a tool."""
    purpose, meaning = _TOLD[name]
    argument = _ARGUMENT[name]
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string", "description": meaning}},
        "required": [argument],
    }
    return {"type": "function", "function": {"name": name, "description": purpose, "parameters": parameters}}


def _read_arguments(name: str, raw: object, offered: Sequence[str]) -> tuple[str, str]:
    """The one argument of a call, and what is wrong with the call ("" if nothing)."""
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
    """What a model said beside its call, as a thought; "" where it said nothing. A thought it tagged itself is not tagged twice."""
    said = "\n".join(
        part.replace("<think>", "").replace("</think>", "").strip() for part in parts if part.strip()
    )
    return f"<think>{soften(said)}</think>" if said.strip() else ""


def _without_call(reply: Reply) -> Generation:
    """A message without a call is the answer, unless it was cut short, is empty, or is a call that the server has not read."""
    thought, closed, rest = reply.text.partition("</think>")
    thought, said = (thought, rest.strip()) if closed else ("", reply.text.strip())
    before = _thought(reply.reasoning, thought)
    finish: Any = "length" if reply.finish == "length" else "end"
    if reply.refusal and not said:
        return FaultyGeneration(
            f"{before}\n{soften(reply.refusal)}".strip(), finish, reply.tokens, "the model refused"
        )
    if any(mark in said for mark in _UNREAD):
        fault = "the server did not read the model's tool call; start it with its tool parser"
        return FaultyGeneration(f"{before}\n{soften(said)}".strip(), finish, reply.tokens, fault)
    if not said or said.startswith("<think>") or finish == "length" or reply.finish == "content_filter":
        return Generation(f"{before}\n{soften(said)}".strip(), finish, reply.tokens)
    # A model that knows the tags from elsewhere may answer in them.
    opened = said.rpartition("<answer>")[2]
    answer = soften(opened.partition("</answer>")[0]).strip()
    return Generation(f"{before}\n<answer>{answer}</answer>".strip(), "stop", reply.tokens)
