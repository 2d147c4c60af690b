"""The routes as an ASGI application, with request metrics and an OpenAPI page that needs no network."""

# This module does not import `annotations` from `__future__`: FastAPI evaluates the annotations of the
# routes, whose names are local to `create_app`.

import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from masksearch import __version__
from masksearch.errors import MissingExtraError, SearchError
from masksearch.protocols import Searcher
from masksearch.serving import wire
from masksearch.serving.access import Rules, restricted
from masksearch.serving.agent.answers import Answers
from masksearch.serving.agent.host import Host
from masksearch.serving.agent.openai_wire import error_body
from masksearch.serving.agent.routes import add_routes
from masksearch.serving.body import Receive
from masksearch.serving.mcp_http import McpOverHttp
from masksearch.serving.metrics import Metrics
from masksearch.serving.service import Service, refusal
from masksearch.serving.settings import ServeSettings
from masksearch.serving.wire import Refused

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

JSON = "application/json"
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
    try:
        from fastapi import Request, Response
        from fastapi.responses import RedirectResponse
        from fastapi.routing import APIRoute
        from fastapi_offline import FastAPIOffline
        from starlette.exceptions import HTTPException
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "serve", "The server") from error

    class Direct(APIRoute):
        """A route whose function reads the request's body and writes the answer's body itself. FastAPI
        only documents it."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            return self.endpoint

    service = Service(searcher, settings)
    agent = Answers(host, settings, service.metrics) if host is not None else None
    mcp = McpOverHttp(searcher, settings, agent) if settings.mcp_http else None
    app = FastAPIOffline(
        title="MaskSearch",
        version=__version__,
        redoc_url=None,
        description=f"Searches `{searcher.fingerprint}`.",
        lifespan=mcp.lifespan if mcp else None,
    )
    app.router.route_class = Direct

    @app.post(
        "/retrieve",
        summary="Search",
        openapi_extra=_takes(wire.Retrieve),
        responses=_answers(wire.Retrieved, 400, 408, 413, 422, 502, 503),
    )
    async def retrieve(request: Request) -> Response:
        return Response(await service.retrieve(request.receive, request.headers), media_type=JSON)

    async def open_page(request: Request) -> Response:
        return Response(await service.open(request.receive, request.headers), media_type=JSON)

    if service.reader:
        answers = _answers(wire.Part, 400, 404, 408, 413, 422, 502, 503)
        app.post(
            "/open", summary="Open a page by its title", openapi_extra=_takes(wire.Open), responses=answers
        )(open_page)

    @app.get("/health", summary="Ask whether the server answers", responses=_answers(wire.Health))
    async def health(request: Request) -> Response:
        return Response(service.health, media_type=JSON)

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(request: Request) -> Response:
        text, media_type = service.metrics.text()
        return Response(text, media_type=media_type)

    @app.get("/ready", summary="Ask whether the server can answer questions", include_in_schema=bool(host))
    async def ready(request: Request) -> Response:
        if host is not None and not host.ready:
            raise Refused(503, "The model is loading; try again in a few seconds.", {"retry-after": "3"})
        return Response(to_json({"status": "ready"}), media_type=JSON)

    if agent is not None:
        add_routes(app, agent, refusal, _describe)
    else:

        @app.get("/", include_in_schema=False)
        async def root(request: Request) -> Response:
            return RedirectResponse("docs")

    async def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, SearchError):
            service.metrics.failure()
        elif not isinstance(error, Refused):
            logging.getLogger(__name__).error("A request failed.", exc_info=error)
        answer = refusal(error)
        body = problem(request.url.path, answer.status, answer.detail)
        return Response(to_json(body), answer.status, answer.headers, JSON)

    async def unknown(request: Request, error: Any) -> Response:
        """Answers requests for which there is no route."""
        body = problem(request.url.path, error.status_code, str(error.detail))
        return Response(to_json(body), error.status_code, error.headers, JSON)

    for kind in (Refused, SearchError, Exception):
        app.add_exception_handler(kind, failed)
    if agent is not None:
        app.add_exception_handler(HTTPException, unknown)

    async def short_cut(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Calls `app`, but answers POST /retrieve without its routing, because thousands may come in a
        second."""
        if scope.get("path") != "/retrieve" or scope.get("method") != "POST":
            await app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await retrieve(request)
        except Exception as error:
            response = await failed(request, error)
        await response(scope, receive, send)

    inner: App = mcp.around(short_cut) if mcp else short_cut
    return counted(restricted(inner, rules, problem) if rules else inner, service.metrics)


def problem(path: str, status: int, sentence: str) -> dict[str, Any]:
    """Returns the JSON of an error, in the form of the protocol that the path belongs to."""
    return error_body(status, sentence) if path.startswith("/v1/") else {"detail": sentence}


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


def _takes(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the OpenAPI entry for the body of a route that reads its body itself."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": model.model_json_schema()}}}}


def _answers(model: type[BaseModel], *problems: int) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI entry for the answers of a route: `model`, or a problem with its status."""
    return {200: {"model": model}, **{status: {"model": wire.Problem} for status in problems}}


def _describe(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the OpenAPI entries of a route that reads a question."""
    problems = {
        status: {"description": "An error, as a sentence."} for status in (400, 401, 413, 422, 503, 504)
    }
    return {"openapi_extra": _takes(model), "responses": problems}
