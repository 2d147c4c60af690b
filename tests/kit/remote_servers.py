"""HTTP servers on loopback with prepared replies, for tests of search back ends on the network."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kit.waiting import LONG

KEY = "k3y+/With=odd-characters.4711"
"""A key whose URL-encoded form differs from its plain form."""
VARIABLES = {
    "serper": "SERPER_API_KEY",
    "serpapi": "SERPAPI_API_KEY",
    "brave": "BRAVE_API_KEY",
    "tavily": "TAVILY_API_KEY",
}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Received:
    """A received request."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: Any
    connection: tuple[str, int]


@dataclass(frozen=True)
class Reply:
    """A reply. A body that is neither text nor bytes is sent as JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json; charset=utf-8"
    silent: bool = False
    """Never answers."""
    missing: int = 0
    """Number of bytes announced in Content-Length but not sent."""
    endless: bool = False
    """Repeats the body until the client hangs up."""
    pause: float = 0.0
    """Seconds between the repetitions."""
    together: threading.Barrier | None = None
    """Answers only when as many requests have arrived as the barrier has parties."""


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that hang up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Records requests and answers them with `replies` in order, the last one repeatedly, or with
    `answer(request)`."""

    def __init__(self, *replies: Reply, answer: Callable[[Received], Reply] | None = None) -> None:
        self.replies, self.answer = list(replies), answer
        self.requests: list[Received] = []
        self.sent = 0
        """Number of bytes sent of endless bodies."""
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
                server.closing.wait(LONG)
                self.close_connection = True
                return
            if reply.together:
                reply.together.wait(LONG)
            body = reply.body
            if not isinstance(body, str | bytes):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
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
    """Runs a server for the length of a block."""
    server = Server(*replies, answer=answer)
    try:
        yield server
    finally:
        server.close()
