"""Real HTTP servers on loopback that answer as they are told, for the tests of back ends over the network."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY = "k3y+/With=odd-characters.4711"
"""Differs from itself in a URL."""
VARIABLES = {
    "serper": "SERPER_API_KEY",
    "serpapi": "SERPAPI_API_KEY",
    "brave": "BRAVE_API_KEY",
    "tavily": "TAVILY_API_KEY",
}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: Any
    connection: tuple[str, int]


@dataclass(frozen=True)
class Reply:
    """What to answer. A body that is neither text nor bytes is sent as JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json; charset=utf-8"
    silent: bool = False
    """Never answer."""
    missing: int = 0
    """Bytes that are promised and not sent."""
    endless: bool = False
    """Send the body again and again, until the other side has enough."""
    pause: float = 0.0
    """Seconds between these."""
    together: threading.Barrier | None = None
    """Answer when so many requests have arrived, and not before."""


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the server's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Answers with `replies` in order, the last one for ever, or with what a function makes of the request; notes the requests."""

    def __init__(self, *replies: Reply, answer: Callable[[Received], Reply] | None = None) -> None:
        self.replies, self.answer = list(replies), answer
        self.requests: list[Received] = []
        self.sent = 0
        """Bytes of endless bodies."""
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._http = _Listener(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def reply(self, request: Received) -> Reply:
        with self._lock:
            self.requests.append(request)
            if self.answer:
                return self.answer(request)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def _respond(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            pairs = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
            assert len(dict(pairs)) == len(pairs), "a parameter was sent twice"
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.partition("?")[0]
            request = Received(
                self.command,
                path,
                dict(pairs),
                headers,
                json.loads(raw) if raw else None,
                self.client_address,
            )
            reply = server.reply(request)
            with contextlib.suppress(ConnectionError, threading.BrokenBarrierError):
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            if reply.silent:
                server.closing.wait(20)
                self.close_connection = True
                return
            if reply.together:
                reply.together.wait(10)
            body = (
                reply.body
                if isinstance(reply.body, bytes)
                else (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
            )
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.endless:
                self.close_connection = True
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(body) + reply.missing))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = self.close_connection or bool(reply.missing)
            while reply.endless and not server.closing.wait(reply.pause):
                self.wfile.write(body)
                server.sent += len(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serving(*replies: Reply, answer: Callable[[Received], Reply] | None = None) -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(*replies, answer=answer)
    try:
        yield server
    finally:
        server.close()


def nowhere() -> str:
    """A URL at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
