"""Runs the server: listens, serves until a signal stops it, and finishes the running requests."""

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
from masksearch.serving.access import VARIABLE, Rules, token_from_environment
from masksearch.serving.agent.opening import open_host
from masksearch.serving.app import App, create_app
from masksearch.serving.guard import guarded
from masksearch.serving.settings import ServeSettings, check_model_given

KEEP_ALIVE = 30
"""Seconds that a connection may be idle between two requests."""


def serve(searcher: Searcher, settings: ServeSettings) -> None:
    """Serves until SIGTERM or SIGINT, then accepts no connections and returns after the running requests.

    If the running requests take longer than `settings.drain` seconds, or if a second SIGINT comes, the
    process ends at once with status 1. There is no other way to stop searches in threads. Raises UsageError
    if the address is not available, or if it needs a token; the errors of a model that cannot be loaded;
    MissingExtraError, and the errors of `searcher.fingerprint`.
    """
    check_model_given(settings)
    failures: list[BaseException] = []
    stopping: list[Any] = []

    def stop(error: BaseException) -> None:
        failures.append(error)
        for server in stopping:
            server.should_exit = True

    host = open_host(searcher, settings, stop) if settings.model else None
    listener = listen(settings.host, settings.port)
    address, port = listener.getsockname()[:2]
    token = token_from_environment()
    local = ipaddress.ip_address(address).is_loopback
    if host is not None and not local and not token:
        listener.close()
        raise UsageError(
            f"A server with a model that listens on {address} needs a token: set the environment variable "
            f"{VARIABLE} to a secret that the clients know, or leave --host at 127.0.0.1."
        )
    browsers = host is not None or settings.mcp_http
    rules = Rules(token, settings.hosts, local and not token, browsers) if token or browsers else None
    app = create_app(searcher, settings, host, rules)
    if not local and not token:
        say(f"Warning: every program that can reach {address} can search here; there is no authentication.")
    say(_greeting(searcher, settings, url(address, port)))
    server = make_server(app, settings)
    stopping.append(server)
    if host is not None:
        host.start()
    server.run([listener])
    if host is not None:
        host.close()
    if failures:
        raise failures[0]
    if server.given_up:
        say(f"The server ended after {settings.drain} seconds; unanswered requests: {server.given_up}.")
        sys.stdout.flush()
        os._exit(1)


def _greeting(searcher: Searcher, settings: ServeSettings, address: str) -> str:
    """Returns the lines that say where the server is."""
    if not settings.model:
        return (
            f"Serving {searcher.fingerprint} at {address}; documentation: {address}/docs. "
            "Ctrl-C stops the server."
        )
    mcp = f", MCP: {address}/mcp" if settings.mcp_http else ""
    return (
        f"Serving {searcher.fingerprint} at {address}; ask there, in a browser. OpenAI's protocol: "
        f"{address}/v1{mcp}, documentation: {address}/docs. The model is loading. Ctrl-C stops the server."
    )


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket; port 0 takes any free port. Raises UsageError if it is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} of {host} is in use. Choose another port, such as --port {free_port(host)}, or "
                "--port 0 for any free port."
            ) from error
        raise UsageError(
            f"Cannot listen on {host}, port {port} ({error.strerror or error}). See --host and --port."
        ) from error


def free_port(host: str) -> int:
    """Returns a port that is free now."""
    with listen(host, 0) as probe:
        return int(probe.getsockname()[1])


def url(host: str, port: int) -> str:
    """Returns the server's URL for a browser on this machine."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: App, settings: ServeSettings) -> Any:
    """Returns a `uvicorn.Server` for an application. Raises MissingExtraError.

    After it has run, its attribute `given_up` is the number of requests that it left unanswered.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtraError("uvicorn", "serve", "The server") from error

    class Server(uvicorn.Server):
        given_up = 0

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Discards the signals that uvicorn captured. uvicorn would raise them again after its end, but
            this server handles them itself."""
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
        lifespan="on" if settings.mcp_http else "off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.drain,
    )
    return Server(config)
