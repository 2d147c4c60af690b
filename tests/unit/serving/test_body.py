from __future__ import annotations

import asyncio
from typing import Any

import pytest

from masksearch.serving.body import Receive, read_body
from masksearch.serving.wire import Refused


def piece(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def sends(*messages: dict[str, Any]) -> Receive:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def read(
    receive: Receive, headers: dict[str, str] | None = None, longest: int = 10, seconds: float = 20
) -> bytes:
    return asyncio.run(read_body(receive, headers or {}, longest, seconds))


def refused(receive: Receive, headers: dict[str, str] | None = None, seconds: float = 20) -> Refused:
    with pytest.raises(Refused) as caught:
        read(receive, headers, seconds=seconds)
    return caught.value


def test_a_body_is_read_to_its_end() -> None:
    assert read(sends(piece(b"01234"), piece(b""), piece(b"56789", more=False))) == b"0123456789"
    assert read(sends(piece(b"", more=False))) == b""


def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert read(sends(piece(b"x" * 10, more=False))) == b"x" * 10
    assert refused(sends(piece(b"x" * 11, more=False))).status == 413


def test_a_long_body_is_refused_before_its_end() -> None:
    assert refused(sends(*[piece(b"xxx")] * 4)).status == 413


@pytest.mark.parametrize(("announced", "status"), [("11", 413), ("9" * 30, 413)])
def test_an_announced_length_above_the_limit_is_refused_at_once(announced: str, status: int) -> None:
    assert refused(sends(), {"content-length": announced}).status == status


@pytest.mark.parametrize("announced", ["", "1", "-5", "many", "²"])
def test_an_announced_length_that_is_wrong_does_not_count(announced: str) -> None:
    assert read(sends(piece(b"xyz", more=False)), {"content-length": announced}) == b"xyz"
    assert refused(sends(piece(b"x" * 11, more=False)), {"content-length": announced}).status == 413


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_set() -> None:
    error = refused(sends(piece(b"x")), seconds=0.05)
    assert (error.status, error.headers) == (408, {"connection": "close"})


def test_a_client_that_goes_away_ends_the_request() -> None:
    assert refused(sends(piece(b"x"), {"type": "http.disconnect"})).status == 400
