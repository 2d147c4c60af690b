"""Limits that uvicorn lacks: on the time and size of a request's head, and on answers that a client does not
read.

A timer runs while a request arrives. It starts with the connection or with the request's first byte, first
for the head and then again for the body.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_core import to_json

from masksearch.errors import MissingExtraError
from masksearch.serving.settings import ServeSettings

LONGEST_HEAD = 65_536
"""Maximum number of bytes of a request line with all headers."""
GRACE = 2.0
"""Seconds beyond `read_timeout` after which a connection with an incomplete body is closed. In this time the
application can answer with 408."""
UNREAD = 30.0
"""Seconds within which a client must read a part of an answer that does not fit into network buffers."""
STATUS = {
    408: b"408 Request Timeout",
    431: b"431 Request Header Fields Too Large",
    503: b"503 Service Unavailable",
}


def answer(status: int, detail: str, headers: bytes = b"") -> bytes:
    """Returns a complete HTTP answer that closes the connection. `headers` are further header lines."""
    body = to_json({"detail": detail})
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n"
    return head % (STATUS[status], len(body)) + headers + b"\r\n" + body


def guarded(settings: ServeSettings) -> type[asyncio.Protocol]:
    """Returns uvicorn's HTTP protocol with these limits, for `uvicorn.Config`. Raises MissingExtraError."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "uvicorn", "serve", "The server") from error

    class Guarded(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None
        _in_head = True
        _overhead = 0
        """Number of bytes of the current request that are not its body (head, chunk sizes, trailers); 0
        before a request starts."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > settings.connections:
                self._cut(503, "The server has too many connections; try again later.", b"retry-after: 1\r\n")
            else:
                self._wait(settings.read_timeout)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            self._overhead += len(data)
            if self._timer is None:
                self._wait(settings.read_timeout)
            super().data_received(data)
            if self._overhead > (LONGEST_HEAD if self._in_head else LONGEST_HEAD + settings.max_body):
                self._cut(431, f"The head of the request has more than {LONGEST_HEAD:,} bytes.")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head = True
            if self._timer is None:
                self._wait(settings.read_timeout)

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._wait(settings.read_timeout + GRACE)
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._overhead -= len(body)
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._overhead = 0
            self._stop()
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch(self.transport.get_write_buffer_size())

        def _watch(self, unsent: int) -> None:
            """If bytes are unsent, checks after `UNREAD` seconds whether the client has read some of them. If
            the client has read none, the connection is aborted."""
            if unsent:
                self.loop.call_later(UNREAD, self._unread, unsent)

        def _unread(self, before: int) -> None:
            unsent = self.transport.get_write_buffer_size()
            if unsent < before:
                self._watch(unsent)
            else:
                self.transport.abort()

        def _wait(self, seconds: float) -> None:
            """Restarts the timer. If the request has not arrived in `seconds` seconds, `_late` decides what
            happens."""
            self._stop()
            self._timer = self.loop.call_later(seconds, self._late)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            answering = (
                self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
            )
            if answering or self.flow.read_paused:  # the client waits for the server
                self._wait(settings.read_timeout)
            elif not self._overhead:  # no request has started
                self.transport.close()
            else:
                self._cut(408, f"The request did not arrive within {settings.read_timeout:g} seconds.")

        def _cut(self, status: int, detail: str, headers: bytes = b"") -> None:
            """Closes the connection. Before that, sends an answer with this status, unless another answer has
            started."""
            self._stop()
            if not self.transport.is_closing():
                if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                    self.transport.write(answer(status, detail, headers))
                self.transport.close()

    return Guarded
