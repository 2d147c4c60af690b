"""Routes whose functions read the request's body and write the answer's body themselves. FastAPI only
documents them.

The imports of FastAPI are inside the functions, because it is an optional package.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from masksearch.errors import MissingExtraError

JSON = "application/json"
Request = Any
"""A `starlette.requests.Request`."""
Response = Any
"""A `starlette.responses.Response`, or another ASGI application that answers the request."""
Handler = Callable[[Request], Awaitable[Response]]


def new_app(**values: Any) -> Any:
    """Returns a FastAPI application with documentation that needs no network. `values` are the arguments of
    `FastAPI`. Raises MissingExtraError."""
    try:
        from fastapi.routing import APIRoute
        from fastapi_offline import FastAPIOffline
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "serve", "The server") from error

    class Direct(APIRoute):
        """A route that calls its function with the request alone."""

        def get_route_handler(self) -> Callable[[Any], Coroutine[Any, Any, Any]]:
            endpoint: Callable[[Any], Coroutine[Any, Any, Any]] = self.endpoint
            return endpoint

    app = FastAPIOffline(redoc_url=None, **values)
    app.router.route_class = Direct
    return app


def add_route(app: Any, method: str, path: str, handler: Handler, **documented: Any) -> None:
    """Adds a route. `documented` are the arguments of FastAPI's decorators that describe it."""
    from fastapi import Request as FastApiRequest

    async def endpoint(request: Any) -> Any:
        return await handler(request)

    # FastAPI reads the parameters of a route off its function's signature, and its name off the function's.
    endpoint.__annotations__ = {"request": FastApiRequest}
    endpoint.__name__ = handler.__name__
    app.add_api_route(path, endpoint, methods=[method], **documented)


def reply(
    content: bytes | str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    """Returns an answer with this body."""
    from starlette.responses import Response as StarletteResponse

    return StarletteResponse(content, status, headers, media_type)
