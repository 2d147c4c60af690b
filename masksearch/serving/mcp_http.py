"""The MCP server over streamable HTTP, at /mcp of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from masksearch.protocols import Searcher
from masksearch.serving.access import App, Send
from masksearch.serving.agent.answers import Answers
from masksearch.serving.body import Receive
from masksearch.serving.mcp import mcp_server
from masksearch.serving.settings import ServeSettings

PATH = "/mcp"


class McpOverHttp:
    """The tools at `PATH`. Every request stands alone: the server keeps no sessions, so that any number of
    clients can come and go. Raises MissingExtraError."""

    def __init__(self, searcher: Searcher, settings: ServeSettings, answers: Answers | None) -> None:
        server = mcp_server(searcher, settings, answers)
        from mcp.server.transport_security import TransportSecuritySettings

        self._app = server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=True,
            max_request_body_size=settings.max_body,
            # serving/access.py checks who asks, for all paths alike.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """Runs the SDK's tasks while the server runs."""
        async with self._app.router.lifespan_context(self._app):
            yield

    def around(self, app: App) -> App:
        """Returns an application that answers `PATH` itself, and calls `app` for everything else."""

        async def call(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            at_path = scope["type"] == "http" and scope["path"] == PATH
            await (self._app if at_path else app)(scope, receive, send)

        return call
