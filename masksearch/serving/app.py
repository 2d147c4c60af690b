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
from masksearch.serving.body import Receive
from masksearch.serving.metrics import Metrics
from masksearch.serving.service import Service, refusal
from masksearch.serving.settings import ServeSettings

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

JSON = "application/json"
PATHS = frozenset({"/", "/retrieve", "/open", "/health", "/metrics", "/docs", "/openapi.json"})
"""Paths that the metrics count by name; all others count together as "other"."""


def create_app(searcher: Searcher, settings: ServeSettings) -> App:
    """Returns an ASGI application that serves `searcher`. One process may hold several applications.

    Raises MissingExtraError, and the errors of `searcher.fingerprint`.
    """
    try:
        from fastapi import Request, Response
        from fastapi.responses import RedirectResponse
        from fastapi.routing import APIRoute
        from fastapi_offline import FastAPIOffline
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "serve", "The server") from error

    class Direct(APIRoute):
        """A route whose function reads the request's body and writes the answer's body itself. FastAPI
        only documents it."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            return self.endpoint

    service = Service(searcher, settings)
    app = FastAPIOffline(
        title="MaskSearch",
        version=__version__,
        redoc_url=None,
        description=f"Searches `{searcher.fingerprint}`.",
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

    @app.get("/", include_in_schema=False)
    async def root(request: Request) -> Response:
        return RedirectResponse("docs")

    async def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, SearchError):
            service.metrics.failure()
        elif not isinstance(error, wire.Refused):
            logging.getLogger(__name__).error("A request failed.", exc_info=error)
        answer = refusal(error)
        return Response(to_json(wire.Problem(detail=answer.detail)), answer.status, answer.headers, JSON)

    for kind in (wire.Refused, SearchError, Exception):
        app.add_exception_handler(kind, failed)

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

    return counted(short_cut, service.metrics)


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
            path = scope["path"]
            metrics.request(path if path in PATHS else "other", status, time.perf_counter() - started)

    return call


def _takes(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the OpenAPI entry for the body of a route that reads its body itself."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": model.model_json_schema()}}}}


def _answers(model: type[BaseModel], *problems: int) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI entry for the answers of a route: `model`, or a problem with its status."""
    return {200: {"model": model}, **{status: {"model": wire.Problem} for status in problems}}
