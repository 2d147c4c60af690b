"""Formats of OpenAI's chat completions: the request, the answer, its pieces, errors, and the list of models.

The last message of the user is the question; the model was trained on single questions, so it does not read
the messages before. The agent's thoughts and searches are the message's `reasoning_content`, its sources are
`annotations` (one for each passage, with the passage's id, its sentence and whether it holds the answer), and
the field `masksearch` holds the rest: whether the answer is grounded, why there is none, and the record's id.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from masksearch.asking.settings import AskSettings
from masksearch.serving.agent.answers import Record
from masksearch.serving.agent.steps import Step
from masksearch.serving.wire import Refused

ALIAS = "masksearch"
"""Name that stands for the served model, whichever it is."""
EXTENSION = (
    "id",
    "status",
    "fault",
    "notes",
    "grounded",
    "declined",
    "false_quotes",
    "searches",
    "seconds",
    "retriever",
)
"""Fields of a record that an answer carries in `masksearch`."""
KINDS = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error"}


class Part(BaseModel):
    """One part of a message's content."""

    type: str = "text"
    text: str | None = None


class ChatMessage(BaseModel):
    """One message."""

    role: str
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    """What a stream sends besides the answer."""

    include_usage: bool | None = None


class ResponseFormat(BaseModel):
    """The form of the answer; only text is possible."""

    type: str = "text"


class Chat(BaseModel):
    """The body of POST /v1/chat/completions. Other fields of the protocol are ignored."""

    model: str = Field(ALIAS, description=f"A name that /v1/models lists, or `{ALIAS}`.")
    messages: list[ChatMessage] = Field(examples=[[{"role": "user", "content": "Who directed Heat?"}]])
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = None
    tools: list[Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with a chunk that holds the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


def no_model(name: str, model: str) -> Refused:
    """Returns the refusal of a request for another model than the served one."""
    return Refused(404, f"There is no model '{name}' here; ask for '{model}' or '{ALIAS}'.")


def question_of(chat: Chat, model: str) -> str:
    """Returns the question of a request. Raises Refused: 404 for another model, 400 for a request without a
    user's text, or one that asks for something that the agent cannot do."""
    if chat.model not in (model, ALIAS):
        raise no_model(chat.model, model)
    if chat.n not in (None, 1):
        raise Refused(400, f"'n' is {chat.n}, but a request gets one answer.")
    if chat.tools:
        raise Refused(400, "'tools' has tools of the client, but the agent calls only its own search.")
    if chat.response_format is not None and chat.response_format.type != "text":
        raise Refused(400, f"'response_format' is {chat.response_format.type}, but answers are text.")
    if chat.logprobs:
        raise Refused(400, "'logprobs' is true, but the agent gives no log-probabilities.")
    users = [message for message in chat.messages if message.role == "user"]
    if not users:
        raise Refused(400, "'messages' has no message with the role 'user', so there is no question.")
    content = users[-1].content
    if isinstance(content, list):
        others = sorted({part.type for part in content if part.type != "text"})
        if others:
            raise Refused(400, f"The question has parts of type {', '.join(others)}, but only text is read.")
        content = "\n".join(part.text or "" for part in content)
    return content or ""


def changed_settings(chat: Chat, settings: AskSettings) -> AskSettings | None:
    """Returns the settings with the temperature, seed and limit of tokens of a request; None if it has none
    of them. A request cannot raise the server's limit."""
    changes: dict[str, Any] = {}
    if chat.temperature is not None:
        changes["temperature"] = chat.temperature
    if chat.seed is not None:
        changes["seed"] = chat.seed
    limit = chat.max_completion_tokens or chat.max_tokens
    if limit is not None and limit < settings.agent.max_tokens:
        changes["agent"] = settings.agent.model_copy(update={"max_tokens": limit})
    return settings.model_copy(update=changes) if changes else None


def reasoning(step: Step) -> str:
    """Returns a step as text; empty for steps that are no reasoning."""
    kind = step["step"]
    if kind == "thought":
        return str(step["text"])
    if kind == "search":
        return f"\n\nSearch: {step['query']}\n"
    if kind == "note":
        return f"Note: {step['text']}\n\n"
    if kind == "open":
        return f"\n\nOpen: {step['title']}\n"
    if kind == "results":
        titles = "; ".join(hit["title"] for hit in step["hits"])
        return f"Found: {titles}\n\n" if titles else f"{step['text']}\n\n"
    return ""


def check_model_answered(record: Record) -> None:
    """Raises Refused if the model failed, which is an error of the server and no answer: 504 if it did not
    answer in time, 502 otherwise."""
    if record["status"] == "model_failed":
        raise Refused(504 if record["timed_out"] else 502, record["fault"])


def content_of(record: Record) -> str:
    """Returns the answer, or the sentence that says why there is none."""
    return str(record["answer"] if not record["fault"] else record["fault"])


def citations(record: Record, base: str) -> list[dict[str, Any]]:
    """Returns the sources of an answer. `base` is the server's address; the links lead to the page."""
    end = len(content_of(record))
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "url": f"{base}/#t={record['id']}&s={number}",
                "title": source["title"],
                "start_index": 0,
                "end_index": end,
                "passage_id": source["id"],
                "sentence": source["sentence"],
                "grounded": source["holds_answer"] and record["grounded"],
            },
        }
        for number, source in enumerate(record["sources"], 1)
    ]


def extension(record: Record) -> dict[str, Any]:
    """Returns what OpenAI's protocol has no field for."""
    return {name: record[name] for name in EXTENSION}


def finish_reason(record: Record) -> str:
    """Returns why the answer ends, in OpenAI's words."""
    return "length" if record["status"] in ("too_long", "too_many_searches") else "stop"


def completion(record: Record, steps: Sequence[Step], model: str, base: str) -> dict[str, Any]:
    """Returns the answer to a request without a stream."""
    message = {
        "role": "assistant",
        "content": content_of(record),
        "refusal": None,
        "reasoning_content": "".join(map(reasoning, steps)).strip(),
        "annotations": citations(record, base),
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(record)}
    return {
        "id": f"chatcmpl-{record['id']}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": record["usage"],
        "masksearch": extension(record),
    }


class Chunks:
    """Builds the chunks of one streamed answer."""

    def __init__(self, key: str, model: str, with_usage: bool) -> None:
        self._common = {
            "id": f"chatcmpl-{key}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._with_usage = with_usage

    def delta(self, finish: str | None = None, **delta: Any) -> dict[str, Any]:
        """Returns a chunk with a piece of the message."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._common, "choices": [choice], **({"usage": None} if self._with_usage else {})}

    def end(self, record: Record, base: str) -> list[dict[str, Any]]:
        """Returns the last chunks: the answer, its sources, and the usage if the client asked for it."""
        last = self.delta(finish_reason(record), annotations=citations(record, base))
        chunks = [self.delta(content=content_of(record)), {**last, "masksearch": extension(record)}]
        if self._with_usage:
            chunks.append({**self._common, "choices": [], "usage": record["usage"]})
        return chunks


def error_body(status: int, message: str) -> dict[str, Any]:
    """Returns an error as OpenAI's servers write it."""
    kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = "model_not_found" if status == 404 and message.startswith("There is no model") else None
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def models(model: str, since: int) -> dict[str, Any]:
    """Returns the list of models."""
    return {"object": "list", "data": [model_entry(model, since)]}


def model_entry(model: str, since: int) -> dict[str, Any]:
    """Returns one entry of the list of models."""
    return {"id": model, "object": "model", "created": since, "owned_by": "masksearch"}
