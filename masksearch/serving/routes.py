"""The routes of a search: Search-R1's protocol, pages, health, readiness and metrics."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from masksearch.serving import wire
from masksearch.serving.agent.host import Host
from masksearch.serving.direct import JSON, Request, Response, add_route, reply
from masksearch.serving.service import Service
from masksearch.serving.wire import Refused

LOADING = "The model is loading; try again in a few seconds."


class SearchRoutes:
    """The routes of a service. `host` has the model, if there is one."""

    def __init__(self, service: Service, host: Host | None) -> None:
        self.service, self.host = service, host

    def add_to(self, app: Any) -> None:
        """Adds the routes to a FastAPI application."""
        add_route(
            app,
            "POST",
            "/retrieve",
            self.retrieve,
            summary="Search",
            openapi_extra=takes(wire.Retrieve),
            responses=answers(wire.Retrieved, 400, 408, 413, 422, 502, 503),
        )
        if self.service.reader:
            add_route(
                app,
                "POST",
                "/open",
                self.open_page,
                summary="Open a page by its title",
                openapi_extra=takes(wire.Open),
                responses=answers(wire.Part, 400, 404, 408, 413, 422, 502, 503),
            )
        self._add_state(app)

    def _add_state(self, app: Any) -> None:
        """Adds the routes that tell how the server is."""
        alive = "Ask whether the server answers"
        add_route(app, "GET", "/health", self.health, summary=alive, responses=answers(wire.Health))
        plain = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
        add_route(app, "GET", "/metrics", self.metrics, summary="Metrics for Prometheus", responses=plain)
        add_route(
            app,
            "GET",
            "/ready",
            self.ready,
            summary="Ask whether the server can answer questions",
            include_in_schema=self.host is not None,
        )
        if self.host is None:
            add_route(app, "GET", "/", self.root, include_in_schema=False)

    async def retrieve(self, request: Request) -> Response:
        """Answers POST /retrieve."""
        return reply(await self.service.retrieve(request.receive, request.headers))

    async def open_page(self, request: Request) -> Response:
        """Answers POST /open."""
        return reply(await self.service.open(request.receive, request.headers))

    async def health(self, request: Request) -> Response:
        """Answers GET /health."""
        return reply(self.service.health)

    async def metrics(self, request: Request) -> Response:
        """Answers GET /metrics."""
        text, media_type = self.service.metrics.text()
        return reply(text, media_type=media_type)

    async def ready(self, request: Request) -> Response:
        """Answers GET /ready. Raises Refused (503) while the model loads."""
        if self.host is not None and not self.host.ready:
            raise Refused(503, LOADING, {"retry-after": "3"})
        return reply(to_json({"status": "ready"}))

    async def root(self, request: Request) -> Response:
        """Answers GET / of a server without a model."""
        from starlette.responses import RedirectResponse

        return RedirectResponse("docs")


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the OpenAPI entry for the body of a route that reads its body itself."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": model.model_json_schema()}}}}


def answers(model: type[BaseModel], *problems: int) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI entry for the answers of a route: `model`, or a problem with its status."""
    return {200: {"model": model}, **{status: {"model": wire.Problem} for status in problems}}


def describe_question(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the OpenAPI entries of a route that reads a question."""
    problems = {
        status: {"description": "An error, as a sentence."} for status in (400, 401, 413, 422, 503, 504)
    }
    return {"openapi_extra": takes(model), "responses": problems}
