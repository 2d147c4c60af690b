"""Streamed answers without a server: comments while there is no event, faults, clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from kit.waiting import LONG

from masksearch.serving.agent import stream
from masksearch.serving.agent.stream import Emit, EventStream, Produce, event, until_gone
from masksearch.serving.wire import Refused


def sent_by(produce: Produce, receive: Callable[[], Any] | None = None, stuck: bool = False) -> list[Any]:
    """Returns the ASGI messages of a stream."""
    messages: list[Any] = []

    async def stay() -> Any:
        await asyncio.sleep(LONG)

    async def send(message: Any) -> None:
        messages.append(message)
        if stuck and message["type"] == "http.response.body":
            await asyncio.sleep(LONG)

    async def run() -> None:
        answer = EventStream(produce, lambda error: event({"detail": str(error)}, "fault"))
        await answer({}, receive or stay, send)

    asyncio.run(asyncio.wait_for(run(), LONG))
    return messages


def bodies(messages: list[Any]) -> list[bytes]:
    return [message["body"] for message in messages if message["type"] == "http.response.body"]


def test_a_silent_stream_sends_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.01)

    async def produce(emit: Emit) -> None:
        await asyncio.sleep(0.2)
        emit(event(1, "step"))

    found = bodies(sent_by(produce))
    assert found[0] == b": waiting\n\n"
    assert found[-2:] == [b"event: step\ndata: 1\n\n", b""]


def test_an_error_before_the_first_event_is_an_answer_with_its_status() -> None:
    async def produce(emit: Emit) -> None:
        raise Refused(503, "Later.")

    with pytest.raises(Refused, match=r"Later\."):
        sent_by(produce)


def test_an_error_after_it_is_an_event() -> None:
    async def produce(emit: Emit) -> None:
        emit(event(1))
        await asyncio.sleep(0)
        raise Refused(504, "Too late.")

    messages = sent_by(produce)
    assert bodies(messages) == [b"data: 1\n\n", b'event: fault\ndata: {"detail": "Too late."}\n\n', b""]
    assert [message.get("more_body") for message in messages] == [None, True, True, False]


def test_a_client_that_goes_away_ends_the_work() -> None:
    ended = []

    async def produce(emit: Emit) -> None:
        emit(event(1))
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.append(True)

    async def leave() -> Any:
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    assert bodies(sent_by(produce, leave)) == [b"data: 1\n\n"]
    assert ended == [True]


def test_a_client_that_reads_nothing_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STUCK", 0.05)
    ended = []

    async def produce(emit: Emit) -> None:
        emit(event(1))
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.append(True)

    assert len(sent_by(produce, stuck=True)) == 2
    assert ended == [True]


def test_work_that_is_done_is_not_ended() -> None:
    async def leave() -> Any:
        return {"type": "http.disconnect"}

    async def done() -> int:
        return 7

    async def stay() -> Any:
        await asyncio.sleep(LONG)

    assert asyncio.run(until_gone(stay, done())) == 7
    with pytest.raises(Refused):
        asyncio.run(until_gone(leave, asyncio.sleep(LONG)))
