"""A server whose model is a script, and what clients of it need."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
from kit.serving_fakes import Server, index
from kit.waiting import LONG, wait_for

from masksearch.asking.agent import Agent
from masksearch.llm.base import Generation, Policy
from masksearch.llm.scripted import ScriptedPolicy, ScriptedSession
from masksearch.protocols import Searcher
from masksearch.serving.access import Rules
from masksearch.serving.agent.host import Host
from masksearch.serving.app import create_app
from masksearch.serving.run import listen, make_server
from masksearch.serving.settings import ServeSettings

SEARCH = "<think>I look it up.</think>\n<search>who discovered radium</search>"
ANSWER = '<think>[1]: "Marie Curie discovered radium". So Curie.</think>\n<answer>Marie Curie</answer>'
TURNS = (SEARCH, ANSWER)


def settings(**values: Any) -> ServeSettings:
    """Returns settings of a server with a model."""
    return ServeSettings(**{"drain": 0, "model": "scripted", **values})


def scripted(*turns: str) -> ScriptedPolicy:
    """Returns a model that writes these turns for every question."""
    return ScriptedPolicy(lambda messages: list(turns))


class Slow:
    """A model that waits in its first turn until it is let go; counts its open sessions."""

    name = "slow"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.running = self.opened = 0

    async def open(self, messages: Any, sampling: Any) -> _SlowSession:
        self.running += 1
        self.opened += 1
        return _SlowSession(self)


class _SlowSession(ScriptedSession):
    def __init__(self, policy: Slow) -> None:
        turns = iter(TURNS)
        super().__init__(lambda texts: next(turns))
        self.policy = policy

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        while not self.policy.gate.is_set():
            await asyncio.sleep(0.005)
        return await super().generate(stop, max_tokens)

    def close(self) -> None:
        self.policy.running -= 1


@contextlib.contextmanager
def asking(
    policy: Policy | Callable[[], Policy],
    wanted: ServeSettings | None = None,
    searcher: Searcher | None = None,
    rules: Rules | None = None,
    until_ready: bool = True,
) -> Iterator[Server]:
    """Runs a server with this model. `policy` may also be a function that loads it."""
    chosen = wanted or settings()
    found = searcher or index()

    def load() -> Agent:
        return Agent(policy() if callable(policy) else policy, found, chosen)

    host = Host(load, chosen)
    listener = listen("127.0.0.1", 0)
    server = make_server(create_app(found, chosen, host, rules), chosen)
    thread = threading.Thread(target=server.run, args=([listener],))
    host.start()
    thread.start()
    try:
        if until_ready:
            wait_for(lambda: host.ready)
        yield Server(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(LONG)
        host.close()
        assert not thread.is_alive()


def events(server: Server, question: str, **options: Any) -> list[tuple[str, Any]]:
    """Asks as the page does; returns the names and data of the events."""
    response = httpx.post(f"{server.url}/ask", json={"question": question}, timeout=LONG, **options)
    response.raise_for_status()
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    found = []
    for piece in response.text.split("\n\n"):
        if piece and not piece.startswith(":"):
            name, data = piece.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found
