"""The routes as an ASGI application: what is asked, what is answered, what is counted."""

# Without postponed annotations: FastAPI reads those of the routes, whose names are local to `create_app`.

import math
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from pydantic_core import to_json

from masksearch import __version__
from masksearch.errors import MissingExtraError, SearchError, SearchUnavailableError
from masksearch.protocols import PageReader, Searcher
from masksearch.search import Bm25Searcher, LocalSearcher, neutralise
from masksearch.search.batching import Batcher
from masksearch.search.pages import part_of
from masksearch.search.threads import in_thread
from masksearch.serving import wire
from masksearch.serving.body import Receive, read_body
from masksearch.serving.metrics import Metrics
from masksearch.serving.settings import ServeSettings
from masksearch.serving.wire import Refused

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATHS = frozenset({"/", "/retrieve", "/open", "/health", "/metrics", "/docs", "/openapi.json"})
"""Paths that are counted by name."""
INLINE_SIZE = 8
"""Queries searched on the event loop before others have their turn; for BM25 more at a time would save nothing."""
REMOTE_AT_ONCE = 8
"""Batches under way at a time where the search waits for others."""


class Service:
    """What the routes do, without HTTP: bodies in, bodies out. Raises Refused, SearchError."""

    def __init__(self, searcher: Searcher, settings: ServeSettings) -> None:
        self.searcher, self.settings = searcher, settings
        inline = type(searcher) is Bm25Searcher
        size = min(settings.max_batch, INLINE_SIZE) if inline else settings.max_batch
        self.metrics = Metrics(lambda: self.batcher.waiting())
        self.batcher = Batcher(searcher, size, inline, 1 if isinstance(searcher, LocalSearcher) else REMOTE_AT_ONCE, self.metrics.batch)
        self._health = wire.Health(status="ok", retriever=searcher.fingerprint, passages=_count(searcher)).model_dump_json().encode()

    async def retrieve(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        """POST /retrieve."""
        asked = wire.parse(await self._body(receive, headers), wire.Retrieve)
        k = wire.results_wanted(asked, self.settings)
        queries = [query for query in asked.queries if query.strip()]
        self.metrics.queries(len(asked.queries))
        waiting = self.batcher.waiting()
        if waiting and waiting + len(queries) > self.settings.max_waiting:
            raise Refused(503, f"{waiting:,} queries are waiting; try again later.", {"retry-after": "1"})
        found = iter(await self.batcher.search_all(queries, k))
        return await wire.retrieved([next(found) if query.strip() else [] for query in asked.queries], asked.return_scores)

    async def open(self, receive: Receive, headers: Mapping[str, str], reader: PageReader) -> bytes:
        """POST /open."""
        asked = wire.parse(await self._body(receive, headers), wire.Open)
        wire.check_queries([asked.title], self.settings.max_query)
        page = await reader.apage(asked.title)
        if page is None:
            raise Refused(404, "There is no page with this title.")
        text, parts = await in_thread(part_of, page.text, asked.part, self.settings.open_words)
        if not text:
            raise Refused(404, f"The page has {parts} parts; there is no part {asked.part}.")
        return to_json(wire.Part(title=neutralise(page.title), text=text, part=asked.part, parts=parts))

    def health(self) -> bytes:
        """GET /health."""
        return self._health

    async def _body(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        return await read_body(receive, headers, self.settings.max_body, self.settings.read_timeout)


def create_app(searcher: Searcher, settings: ServeSettings) -> App:
    """An ASGI application that serves `searcher`; several may live in one process. Raises MissingExtraError."""
    try:
        from fastapi import Request, Response
        from fastapi.responses import RedirectResponse
        from fastapi.routing import APIRoute
        from fastapi_offline import FastAPIOffline
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "serve", "The server") from error

    class Direct(APIRoute):
        """A route that reads and writes bodies itself; FastAPI documents it, and does no more."""

        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            return self.endpoint  # type: ignore[no-any-return]

    service = Service(searcher, settings)
    app = FastAPIOffline(title="MaskSearch", version=__version__, redoc_url=None, description=f"Searches `{searcher.fingerprint}`.")
    app.router.route_class = Direct
    kind = "application/json"

    @app.post("/retrieve", summary="Search", openapi_extra=_takes(wire.Retrieve), responses=_answers(wire.Retrieved, 400, 408, 413, 422, 502, 503))
    async def retrieve(request: Request) -> Response:
        return Response(await service.retrieve(request.receive, request.headers), media_type=kind)

    if isinstance(searcher, PageReader):
        reader = searcher

        @app.post("/open", summary="Open a page", openapi_extra=_takes(wire.Open), responses=_answers(wire.Part, 400, 404, 408, 413, 422, 502, 503))
        async def open_page(request: Request) -> Response:
            return Response(await service.open(request.receive, request.headers, reader), media_type=kind)

    @app.get("/health", summary="Ask whether the server answers", responses=_answers(wire.Health))
    async def health(request: Request) -> Response:
        return Response(service.health(), media_type=kind)

    @app.get("/metrics", summary="Figures for Prometheus", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
    async def metrics(request: Request) -> Response:
        text, media_type = service.metrics.text()
        return Response(text, media_type=media_type)

    @app.get("/", include_in_schema=False)
    async def root(request: Request) -> Response:
        return RedirectResponse("docs")

    async def refused(request: Request, error: Exception) -> Response:
        answer = refusal(error)
        if isinstance(error, SearchError):
            service.metrics.failure()
        return Response(to_json(wire.Problem(detail=answer.detail)), answer.status, answer.headers, kind)

    for kind_of_error in (Refused, SearchError, Exception):
        app.add_exception_handler(kind_of_error, refused)
    return counted(app, service.metrics)


def refusal(error: Exception) -> Refused:
    """What is answered where a request ended with an error."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, SearchUnavailableError):
        return Refused(503, str(error), {"retry-after": str(max(1, math.ceil(error.retry_after or 1)))})
    if isinstance(error, SearchError):
        return Refused(502, str(error))
    return Refused(500, "The server failed at this request; what happened stands in its log.")


def counted(app: App, metrics: Metrics) -> App:
    """`app` with every request counted."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watched(message: MutableMapping[str, Any]) -> None:
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


def _takes(model: type[wire.BaseModel]) -> dict[str, Any]:
    """How a route that reads its body itself says what that is."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def _answers(model: type[wire.BaseModel], *problems: int) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model}, **{status: {"model": wire.Problem} for status in problems}}


def _count(searcher: Searcher) -> int | None:
    passages = getattr(searcher, "passages", None)
    return None if passages is None else len(passages)
