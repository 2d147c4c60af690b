"""The routes of a server with a model: OpenAI's protocol, the page, its questions, and kept answers."""

# This module does not import `annotations` from `__future__`: FastAPI evaluates the annotations of the
# routes, whose names are local to `add_routes`.

import time
from collections.abc import Callable
from typing import Any, cast

from pydantic import BaseModel, Field
from pydantic_core import to_json

from masksearch.serving import wire
from masksearch.serving.agent import openai_wire
from masksearch.serving.agent.answers import Answers, Record
from masksearch.serving.agent.kept import new_id
from masksearch.serving.agent.steps import Step, joined
from masksearch.serving.agent.stream import Emit, EventStream, event, until_gone
from masksearch.serving.body import read_body
from masksearch.serving.page.build import build_page
from masksearch.serving.wire import Refused

JSON = "application/json"
NOT_KEPT = "The server does not keep this answer any more; ask the question again."


class Asking(BaseModel):
    """The body of POST /ask."""

    question: str = Field(examples=["Who directed Heat?"])


def add_routes(app: Any, answers: Answers, refusal: Callable[[Exception], Refused], describe: Any) -> None:
    """Adds the routes to a FastAPI application.

    `refusal` turns errors into answers. `describe(body)` returns the entries of the OpenAPI page for a route
    with this body.
    """
    from fastapi import Request, Response

    settings, model, since = answers.settings, answers.model, int(time.time())
    page = build_page(settings.page_title)

    async def body_of(request: Request) -> bytes:
        return await read_body(request.receive, request.headers, settings.max_body, settings.read_timeout)

    @app.post("/v1/chat/completions", summary="Ask (OpenAI's protocol)", **describe(openai_wire.Chat))  # type: ignore[untyped-decorator]
    async def complete(request: Request) -> Response:
        chat = wire.parse(await body_of(request), openai_wire.Chat)
        question = openai_wire.question_of(chat, model)
        changed = openai_wire.changed_settings(chat, settings)
        base = _base(request)
        if not chat.stream:
            steps: list[Step] = []
            asked = answers.ask(question, lambda step: joined(steps, step), changed)
            record = await until_gone(request.receive, asked)
            if openai_wire.failed(record):
                raise Refused(502, record["fault"])
            return Response(to_json(openai_wire.completion(record, steps, model, base)), media_type=JSON)

        async def produce(emit: Emit) -> None:
            chunks = openai_wire.Chunks(new_id(), model, chat.with_usage)
            opened = False

            def show(step: Step) -> None:
                nonlocal opened
                if not opened:
                    opened = True
                    emit(event(chunks.delta(role="assistant", content="")))
                if text := openai_wire.reasoning(step):
                    emit(event(chunks.delta(reasoning_content=text)))

            record = await answers.ask(question, show, changed)
            if openai_wire.failed(record):
                raise Refused(502, record["fault"])
            for chunk in chunks.end(record, base):
                emit(event(chunk))
            emit(event("[DONE]"))

        def fault(error: Exception) -> bytes:
            refused = refusal(error)
            return event(openai_wire.error_body(refused.status, refused.detail))

        return cast(Response, EventStream(produce, fault))

    @app.get("/v1/models", summary="List the model (OpenAI's protocol)")  # type: ignore[untyped-decorator]
    async def list_models(request: Request) -> Response:
        return Response(to_json(openai_wire.models(model, since)), media_type=JSON)

    @app.get("/v1/models/{name:path}", include_in_schema=False)  # type: ignore[untyped-decorator]
    async def one_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in (model, openai_wire.ALIAS):
            raise openai_wire.no_model(name, model)
        return Response(to_json(openai_wire.model_entry(model, since)), media_type=JSON)

    @app.post("/ask", summary="Ask, with the searches as server-sent events", **describe(Asking))  # type: ignore[untyped-decorator]
    async def ask(request: Request) -> Response:
        question = wire.parse(await body_of(request), Asking).question

        async def produce(emit: Emit) -> None:
            record = await answers.ask(question, lambda step: emit(event(step, "step")))
            emit(event(record, "record"))

        def fault(error: Exception) -> bytes:
            return event({"detail": refusal(error).detail}, "fault")

        return cast(Response, EventStream(produce, fault))

    @app.get("/answers/{key}", summary="An answer that was given before, with its searches")  # type: ignore[untyped-decorator]
    async def kept(request: Request) -> Response:
        record: Record | None = answers.kept.get(request.path_params["key"])
        if record is None:
            raise Refused(404, NOT_KEPT)
        return Response(to_json(record), media_type=JSON, headers={"cache-control": "no-store"})

    @app.get("/", include_in_schema=False)  # type: ignore[untyped-decorator]
    async def root(request: Request) -> Response:
        return Response(page.html, media_type="text/html; charset=utf-8", headers=page.headers)


def _base(request: Any) -> str:
    """Returns the address of the server as the client wrote it."""
    host = request.headers.get("host", "")
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}" if host else ""
