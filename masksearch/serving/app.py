"""The routes as an ASGI application, with request metrics and an OpenAPI page that needs no network."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic_core import to_json

from masksearch import __version__
from masksearch.errors import SearchError
from masksearch.protocols import Searcher
from masksearch.serving.access import Rules, restricted
from masksearch.serving.agent.answers import Answers
from masksearch.serving.agent.host import Host
from masksearch.serving.agent.openai_wire import error_body
from masksearch.serving.agent.routes import QuestionRoutes
from masksearch.serving.body import Receive
from masksearch.serving.direct import Handler, Request, Response, new_app, reply
from masksearch.serving.mcp_http import McpOverHttp
from masksearch.serving.metrics import Metrics
from masksearch.serving.routes import SearchRoutes, describe_question
from masksearch.serving.service import Service, refusal
from masksearch.serving.settings import ServeSettings
from masksearch.serving.wire import Refused

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PATHS = frozenset(
    {"/", "/retrieve", "/open", "/health", "/ready", "/metrics", "/docs", "/openapi.json", "/ask", "/mcp"}
    | {"/v1/chat/completions", "/v1/models"}
)
"""Paths that the metrics count by name; all others count together as "other"."""
FOLDERS = ("/answers/", "/v1/models/")
"""Starts of paths that the metrics count under this name, without what follows."""


def create_app(
    searcher: Searcher, settings: ServeSettings, host: Host | None = None, rules: Rules | None = None
) -> App:
    """Returns an ASGI application that serves `searcher`, and the agent of `host` if there is one.

    `rules` are who may use it; without them, everybody. One process may hold several applications.

    Raises MissingExtraError, and the errors of `searcher.fingerprint`.
    """
    service = Service(searcher, settings)
    agent = Answers(host, settings, service.metrics) if host is not None else None
    mcp = McpOverHttp(searcher, settings, agent) if settings.mcp_http else None
    app = new_app(
        title="MaskSearch",
        version=__version__,
        description=f"Searches `{searcher.fingerprint}`.",
        lifespan=mcp.lifespan if mcp else None,
    )
    routes, errors = SearchRoutes(service, host), Errors(service.metrics)
    routes.add_to(app)
    if agent is not None:
        QuestionRoutes(agent, refusal).add_to(app, describe_question)
    errors.add_to(app, with_unknown=agent is not None)
    inner = short_cut(app, "/retrieve", routes.retrieve, errors.failed)
    inner = mcp.around(inner) if mcp else inner
    return counted(restricted(inner, rules, problem) if rules else inner, service.metrics)


class Errors:
    """Turns errors into answers, in the form of the protocol that the path belongs to."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def add_to(self, app: Any, with_unknown: bool) -> None:
        """Adds the handlers to a FastAPI application; `with_unknown`: also for paths without a route."""
        from starlette.exceptions import HTTPException

        for kind in (Refused, SearchError, Exception):
            app.add_exception_handler(kind, self.failed)
        if with_unknown:
            app.add_exception_handler(HTTPException, self.unknown)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Answers a request that ended with an error."""
        if isinstance(error, SearchError):
            self.metrics.failure()
        elif not isinstance(error, Refused):
            logging.getLogger(__name__).error("A request failed.", exc_info=error)
        answer = refusal(error)
        body = problem(request.url.path, answer.status, answer.detail)
        return reply(to_json(body), answer.status, answer.headers)

    async def unknown(self, request: Request, error: Any) -> Response:
        """Answers a request for which there is no route."""
        body = problem(request.url.path, error.status_code, str(error.detail))
        return reply(to_json(body), error.status_code, error.headers)


def problem(path: str, status: int, sentence: str) -> dict[str, Any]:
    """Returns the JSON of an error, in the form of the protocol that the path belongs to."""
    return error_body(status, sentence) if path.startswith("/v1/") else {"detail": sentence}


def short_cut(
    app: App, path: str, handler: Handler, failed: Callable[[Request, Exception], Awaitable[Response]]
) -> App:
    """Returns an application that calls `app`, but answers POST requests of `path` without its routing,
    because thousands may come in a second."""
    from starlette.requests import Request as StarletteRequest

    async def call(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope.get("path") != path or scope.get("method") != "POST":
            await app(scope, receive, send)
            return
        request = StarletteRequest(scope, receive)
        try:
            response = await handler(request)
        except Exception as error:
            response = await failed(request, error)
        await response(scope, receive, send)

    return call


def counted_path(path: str) -> str:
    """Returns the name under which the metrics count a path."""
    if path in PATHS:
        return path
    return next((folder for folder in FOLDERS if path.startswith(folder)), "other")


def counted(app: App, metrics: Metrics) -> App:
    """Returns an application that calls `app` and counts every request in `metrics`."""

    async def call(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watched)
        finally:
            metrics.request(counted_path(scope["path"]), status, time.perf_counter() - started)

    return call
