"""Reads request bodies with limits on size and time, independent of their headers. Depends on ASGI only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from masksearch.serving.wire import Refused

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
CLOSE = {"connection": "close"}
"""Headers of an answer to a request whose body was not read to its end."""


async def read_body(receive: Receive, headers: Mapping[str, str], longest: int, seconds: float) -> bytes:
    """Returns the body of a request.

    Raises Refused if it has more than `longest` bytes (413), is incomplete after `seconds` (408), or if
    the connection ends before it does (400).
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > longest:
        raise _too_long(longest)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Refused(400, "The connection ended before the request did.")
                body += message.get("body", b"")
                if len(body) > longest:
                    raise _too_long(longest)
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refused(408, f"The request did not arrive within {seconds:g} seconds.", CLOSE) from None


def _too_long(longest: int) -> Refused:
    return Refused(
        413, f"The body of the request has more than {longest:,} bytes; send a shorter one.", CLOSE
    )
