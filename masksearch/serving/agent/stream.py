"""Answers that are sent while they happen, and the end of work whose client has gone away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, TypeVar

from masksearch.serving.body import Receive
from masksearch.serving.wire import Refused

T = TypeVar("T")
Emit = Callable[[bytes], None]
Produce = Callable[[Emit], Coroutine[Any, Any, None]]
KEEP_ALIVE = 15.0
"""Seconds without an event after which a comment is sent, so that proxies keep the connection."""
STUCK = 60.0
"""Seconds within which a client must take an event."""
HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ],
}


def event(data: Any, name: str = "") -> bytes:
    """Returns a server-sent event. Its data is ASCII, because JSON escapes line breaks and the rest."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode("ascii")


async def until_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Returns the result of `work`. If the client closes the connection first, cancels `work` and raises
    Refused (499, as servers log it); nobody reads that answer."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Refused(499, "The client closed the connection.")
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream:
    """An answer of server-sent events. `produce(emit)` runs until the answer is complete.

    The head of the answer is sent with the first event. So an error before it becomes an ordinary answer with
    its status; an error after it becomes the event that `fault` returns.
    """

    def __init__(self, produce: Produce, fault: Callable[[Exception], bytes]) -> None:
        self._produce, self._fault = produce, fault

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Sends the answer (ASGI)."""
        started = False

        async def send_piece(piece: bytes, more: bool = True) -> None:
            nonlocal started
            if not started:
                started = True
                await send(dict(HEAD))
            try:
                async with asyncio.timeout(STUCK):
                    await send({"type": "http.response.body", "body": piece, "more_body": more})
            except TimeoutError:
                raise Refused(499, "The client reads nothing.") from None

        async def work() -> None:
            try:
                await _forward(self._produce, send_piece)
            except Exception as error:
                if not started or (isinstance(error, Refused) and error.status == 499):
                    raise
                await send_piece(self._fault(error))
            await send_piece(b"", more=False)

        try:
            await until_gone(receive, work())
        except Refused as error:
            if error.status != 499 or not started:
                raise


async def _forward(produce: Produce, send_piece: Callable[[bytes], Awaitable[None]]) -> None:
    """Runs `produce` and sends its events, with comments in between while there are none."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    work = asyncio.ensure_future(produce(queue.put_nowait))
    work.add_done_callback(lambda done: queue.put_nowait(None))
    try:
        while True:
            try:
                piece = await asyncio.wait_for(queue.get(), KEEP_ALIVE)
            except TimeoutError:
                piece = b": waiting\n\n"
            if piece is None:
                break
            await send_piece(piece)
        work.result()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
