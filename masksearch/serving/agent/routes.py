"""The routes of a server with a model: OpenAI's protocol, the page, its questions, and kept answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import to_json

from masksearch.asking.settings import AskSettings
from masksearch.serving import wire
from masksearch.serving.agent import openai_wire
from masksearch.serving.agent.answers import Answers, Record
from masksearch.serving.agent.kept import new_id
from masksearch.serving.agent.openai_wire import Chat, Chunks, check_model_answered
from masksearch.serving.agent.steps import Step, joined
from masksearch.serving.agent.stream import Emit, EventStream, event, until_gone
from masksearch.serving.body import read_body
from masksearch.serving.direct import Request, Response, add_route, reply
from masksearch.serving.page.build import build_page
from masksearch.serving.wire import Refused

NOT_KEPT = "The server does not keep this answer any more; ask the question again."


class Asking(BaseModel):
    """The body of POST /ask."""

    question: str = Field(examples=["Who directed Heat?"])


class QuestionRoutes:
    """The routes of a model that answers questions. `refusal` turns errors into answers."""

    def __init__(self, answers: Answers, refusal: Callable[[Exception], Refused]) -> None:
        self.answers, self.refusal = answers, refusal
        self.settings, self.model, self.since = answers.settings, answers.model, int(time.time())
        self.page = build_page(self.settings.page_title)

    def add_to(self, app: Any, describe: Callable[[type[BaseModel]], dict[str, Any]]) -> None:
        """Adds the routes to a FastAPI application. `describe(body)` returns the entries of the OpenAPI page
        for a route with this body."""
        add_route(
            app,
            "POST",
            "/v1/chat/completions",
            self.complete,
            summary="Ask (OpenAI's protocol)",
            **describe(Chat),
        )
        summary = "List the model (OpenAI's protocol)"
        add_route(app, "GET", "/v1/models", self.list_models, summary=summary)
        add_route(app, "GET", "/v1/models/{name:path}", self.one_model, include_in_schema=False)
        summary = "Ask, with the searches as server-sent events"
        add_route(app, "POST", "/ask", self.ask, summary=summary, **describe(Asking))
        summary = "An answer that was given before, with its searches"
        add_route(app, "GET", "/answers/{key}", self.kept, summary=summary)
        add_route(app, "GET", "/", self.root, include_in_schema=False)

    async def complete(self, request: Request) -> Response:
        """Answers POST /v1/chat/completions."""
        chat = wire.parse(await self._body(request), Chat)
        question = openai_wire.question_of(chat, self.model)
        changed = openai_wire.changed_settings(chat, self.settings)
        if chat.stream:
            return self._stream(chat, question, changed, _base(request))
        steps: list[Step] = []
        asked = self.answers.ask(question, lambda step: joined(steps, step), changed)
        record = await until_gone(request.receive, asked)
        check_model_answered(record)
        return reply(to_json(openai_wire.completion(record, steps, self.model, _base(request))))

    def _stream(self, chat: Chat, question: str, changed: AskSettings | None, base: str) -> EventStream:
        """Returns a streamed answer in OpenAI's protocol."""

        async def produce(emit: Emit) -> None:
            chunks = Chunks(new_id(), self.model, chat.with_usage)
            record = await self.answers.ask(question, _reasoning(chunks, emit), changed)
            check_model_answered(record)
            for chunk in chunks.end(record, base):
                emit(event(chunk))
            emit(event("[DONE]"))

        def fault(error: Exception) -> bytes:
            refused = self.refusal(error)
            return event(openai_wire.error_body(refused.status, refused.detail))

        return EventStream(produce, fault)

    async def list_models(self, request: Request) -> Response:
        """Answers GET /v1/models."""
        return reply(to_json(openai_wire.models(self.model, self.since)))

    async def one_model(self, request: Request) -> Response:
        """Answers GET /v1/models/NAME."""
        name = request.path_params["name"]
        if name not in (self.model, openai_wire.ALIAS):
            raise openai_wire.no_model(name, self.model)
        return reply(to_json(openai_wire.model_entry(self.model, self.since)))

    async def ask(self, request: Request) -> Response:
        """Answers POST /ask."""
        question = wire.parse(await self._body(request), Asking).question

        async def produce(emit: Emit) -> None:
            record = await self.answers.ask(question, lambda step: emit(event(step, "step")))
            emit(event(record, "record"))

        def fault(error: Exception) -> bytes:
            return event({"detail": self.refusal(error).detail}, "fault")

        return EventStream(produce, fault)

    async def kept(self, request: Request) -> Response:
        """Answers GET /answers/ID."""
        record: Record | None = self.answers.kept.get(request.path_params["key"])
        if record is None:
            raise Refused(404, NOT_KEPT)
        return reply(to_json(record), headers={"cache-control": "no-store"})

    async def root(self, request: Request) -> Response:
        """Answers GET /."""
        return reply(self.page.html, headers=self.page.headers, media_type="text/html; charset=utf-8")

    async def _body(self, request: Request) -> bytes:
        settings = self.settings
        return await read_body(request.receive, request.headers, settings.max_body, settings.read_timeout)


def _reasoning(chunks: Chunks, emit: Emit) -> Callable[[Step], None]:
    """Returns a function that sends each step as reasoning, and before the first one the message's role."""
    opened = False

    def show(step: Step) -> None:
        nonlocal opened
        if not opened:
            opened = True
            emit(event(chunks.delta(role="assistant", content="")))
        if text := openai_wire.reasoning(step):
            emit(event(chunks.delta(reasoning_content=text)))

    return show


def _base(request: Request) -> str:
    """Returns the address of the server as the client wrote it."""
    host = request.headers.get("host", "")
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}" if host else ""
