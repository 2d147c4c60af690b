"""Runs the server: listens, serves until it is told to stop, finishes what is under way."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from masksearch.errors import MissingExtraError, UsageError
from masksearch.protocols import Searcher
from masksearch.runtime.progress import say
from masksearch.serving.app import App, create_app
from masksearch.serving.guard import guarded
from masksearch.serving.settings import ServeSettings

KEEP_ALIVE = 30
"""Seconds that a connection may be idle between two requests."""


def serve(searcher: Searcher, settings: ServeSettings) -> None:
    """Serves until SIGTERM or SIGINT, then takes no more connections and returns when what is under way is answered.

    Where that takes longer than `settings.drain` seconds, or a second SIGINT comes, the process ends at once with status 1: searches in threads cannot
    be stopped otherwise. Raises UsageError where the address cannot be had, MissingExtraError, and what `searcher.fingerprint` raises.
    """
    app = create_app(searcher, settings)
    listener = listen(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    if not ipaddress.ip_address(host).is_loopback:
        say(f"Warning: whoever can reach {host} can search here; there is no authentication.")
    say(
        f"Serving {searcher.fingerprint} at {url(host, port)}; its pages: {url(host, port)}/docs. Ctrl-C ends it."
    )
    server = make_server(app, settings)
    server.run([listener])
    if server.given_up:
        say(f"Ended with requests unanswered after {settings.drain} seconds: {server.given_up}.")
        sys.stdout.flush()
        os._exit(1)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any that is free. Raises UsageError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} of {host} is in use; take another one, such as --port {free_port(host)}, or --port 0 for any."
            ) from error
        raise UsageError(
            f"Cannot listen on {host}, port {port} ({error.strerror or error}); see --host and --port."
        ) from error


def free_port(host: str) -> int:
    """A port that is free just now."""
    with listen(host, 0) as probe:
        return int(probe.getsockname()[1])


def url(host: str, port: int) -> str:
    """Where a browser on this machine finds the server."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: App, settings: ServeSettings) -> Any:
    """A `uvicorn.Server` for an application; `given_up` tells afterwards how many requests it left unanswered. Raises MissingExtraError."""
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtraError("uvicorn", "serve", "The server") from error

    class Server(uvicorn.Server):
        given_up = 0

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """As uvicorn's, which raises the signal again in the end; but a signal is how this server is properly ended."""
            with super().capture_signals():
                yield
                self._captured_signals.clear()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            self.given_up = len(self.server_state.tasks)

    config = uvicorn.Config(
        app,
        http=guarded(settings),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.drain,
    )
    return Server(config)
