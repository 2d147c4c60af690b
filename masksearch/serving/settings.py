"""Settings of the server: of the search, and of the model that answers questions."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from masksearch.asking.settings import AskSettings
from masksearch.errors import UsageError
from masksearch.runtime.settings import Ref

FOR_A_MODEL = (
    *(name for name in AskSettings.model_fields if name not in ("model", "search")),
    "max_questions",
    "question_timeout",
    "kept_answers",
    "page_title",
)
"""Settings that have no effect without a model."""


class ServeSettings(AskSettings):
    """Answers the searches of other programs, over HTTP or over the Model Context Protocol. With a model it
    also answers questions: on a page, over OpenAI's protocol, and as an MCP tool."""

    basic = ("model", "host", "port", "default_k", "max_k", "llm", "page_title")  # type: ignore[assignment]

    model: Ref = ""
    """Model that answers questions: a checkpoint folder, or the stage or run that made one; `openai:NAME` for
    a model at the endpoint `llm`; or `openai-tools:NAME` for such a model with native tool calls. Empty: the
    server only searches."""
    host: str = "127.0.0.1"
    """Address to listen on. By default only programs on this machine can connect. If the environment variable
    MASKSEARCH_TOKEN is set, clients must send it as a bearer token; a server with a model needs it to listen
    on other addresses."""
    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on. 0 takes any free port."""
    default_k: int = Field(3, ge=1)
    """Number of results per query if the request names none."""
    max_k: int = Field(1000, ge=1)
    """Maximum number of results per query that a request may ask for."""
    max_query: int = Field(10_000, ge=1)
    """Longest query, in characters."""
    max_queries: int = Field(2048, ge=1)
    """Maximum number of queries of one request."""
    max_results: int = Field(100_000, ge=1)
    """Maximum number of results of all queries of one request together."""
    max_body: int = Field(8_000_000, ge=1)
    """Longest body of a request, in bytes."""
    max_batch: int = Field(64, ge=1)
    """Maximum number of queries, from all waiting requests, that are searched in one batch."""
    max_waiting: int = Field(10_000, ge=1)
    """Maximum number of queries that may wait; the server answers further requests with 503 (try again
    later)."""
    max_questions: int = Field(64, ge=0)
    """Maximum number of questions that may wait while `decode_slots` questions are answered; the server
    answers further questions with 503 (try again later)."""
    question_timeout: float = Field(300.0, gt=0)
    """Seconds that the model has for one question, without the time in which the question waits. Then the
    server ends the episode."""
    kept_answers: int = Field(200, ge=0)
    """Number of answers that the server keeps in memory, with their searches, for links to them. 0: links
    work only in the browser that asked."""
    page_title: str = Field("Ask the documents", max_length=100)
    """Title of the page on which people ask questions."""
    hosts: tuple[str, ...] = ()
    """Further names under which browsers reach the server, such as the name of a reverse proxy. A server that
    listens on this machine alone, without a token, refuses questions that a browser sends under other names,
    because a web page of somebody else could send them."""
    mcp_http: bool = False
    """Also serves the Model Context Protocol over streamable HTTP, at /mcp. Needs the extra `mcp`."""
    connections: int = Field(900, ge=1)
    """Maximum number of open connections.

    The default is below 1,024, the usual limit of open files of a process.
    """
    read_timeout: float = Field(10.0, gt=0)
    """Seconds within which the head of a request must arrive. Its body then gets the same time again."""
    drain: int = Field(30, ge=0)
    """Seconds that running requests have to finish after the server got the signal to stop."""
    open_words: int = Field(120, ge=1)
    """Number of words in one part of an opened page."""

    @field_validator("max_k")
    @classmethod
    def _max_k(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("default_k", 1):
            raise ValueError(f"it should be at least default_k, which is {info.data['default_k']}")
        return value


def check_model_given(settings: ServeSettings) -> None:
    """Raises UsageError if a setting was given that has no effect without a model, and there is no model."""
    given = [name for name in FOR_A_MODEL if name in settings.model_fields_set]
    if given and not settings.model:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"Without a model {flags} would have no effect; name the model with --model.")
