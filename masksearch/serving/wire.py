"""Formats of requests and answers: Search-R1's protocol, and pages.

    POST /retrieve  {"queries": ["who discovered radium"], "topk": 3, "return_scores": true}
                    {"result": [[{"document": {"id": "1", "contents": "\\"Marie Curie\\"\\nMarie Curie was
                    ..."}, "score": 9.1}, ...]]}

Without `return_scores` a row is the document alone. Titles and texts are neutralised here, each by
itself, so that the line break between them is ours: clients split `contents` there.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json

from masksearch.serving.settings import ServeSettings
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit, Passage

Body = TypeVar("Body", bound=BaseModel)
ROWS_PER_CHUNK = 250
"""Number of rows of a long answer that are written before other requests get a turn."""
LONGEST_KEPT = 2000
"""Longest passage, in characters, whose JSON is cached: searches find the same passages again and again."""


class Refused(Exception):
    """An error that becomes the answer to a request: an HTTP status, a sentence that explains it, and
    headers."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


class Retrieve(BaseModel):
    """Queries, and the number and form of their results."""

    queries: list[str] = Field(examples=[["who discovered radium"]])
    topk: int | None = Field(
        None, description="Number of results per query; null or 0: the server's default.", examples=[3]
    )
    return_scores: bool = False


class Open(BaseModel):
    """The title of a page, and the number of the part to read."""

    title: str
    part: int = Field(1, ge=1)


class Document(BaseModel):
    """A passage: its title in quotation marks on the first line of `contents`, then its text."""

    id: str
    contents: str


class Scored(BaseModel):
    """A document with the retriever's own score; higher is better."""

    document: Document
    score: float


class Retrieved(BaseModel):
    """One list of results per query, best first: documents with scores, or documents alone."""

    result: list[list[Scored] | list[Document]]


class Part(BaseModel):
    """One part of a page, and the number of parts."""

    title: str
    text: str
    part: int
    parts: int


class Health(BaseModel):
    """The server's state, the fingerprint of its search, and the number of passages (null if unknown)."""

    status: str
    retriever: str
    passages: int | None


class Problem(BaseModel):
    """An error, as a sentence."""

    detail: str


def parse(body: bytes, model: type[Body]) -> Body:
    """Returns the request in a body. Raises Refused: 400 if the body is not JSON, 422 if it does not fit
    `model`."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        message = first["msg"]
        if first["type"] == "json_invalid":
            raise Refused(
                400,
                f"The body of the request is not JSON in UTF-8 ({message.removeprefix('Invalid JSON: ')}).",
            ) from None
        where = ".".join(map(str, first["loc"])) or "body"
        raise Refused(422, f"'{where}' of the request is wrong: {message}.") from None


def results_wanted(asked: Retrieve, settings: ServeSettings) -> int:
    """Returns the number of results per query of a request. Raises Refused (422) if it exceeds a limit."""
    k = asked.topk or settings.default_k  # null and 0 select the default, as in Search-R1's server
    count = len(asked.queries)
    if count > settings.max_queries:
        raise Refused(
            422, f"'queries' has {count:,} queries; a request may have at most {settings.max_queries:,}."
        )
    if k < 0:
        raise Refused(422, f"'topk' is {k}; it must be a number of results, 0 or more.")
    if k > settings.max_k:
        raise Refused(422, f"'topk' is {k}; a query may have at most {settings.max_k:,} results.")
    if k * count > settings.max_results:
        raise Refused(
            422,
            f"{count:,} queries with {k:,} results each are too many; a request may have at most "
            f"{settings.max_results:,} results.",
        )
    for number, query in enumerate(asked.queries):
        check_length(f"queries.{number}", query, settings.max_query)
    return k


def check_length(name: str, text: str, longest: int) -> None:
    """Raises Refused (422) if a text has more than `longest` characters."""
    if len(text) > longest:
        raise Refused(422, f"'{name}' has {len(text):,} characters; at most {longest:,} are allowed.")


async def retrieved(found: Sequence[Sequence[Hit]], with_scores: bool) -> bytes:
    """Returns the answer to a request as JSON; pauses in a long one, so that other requests get a turn."""
    lists: list[bytes] = []
    rows = 0
    for hits in found:
        lists.append(b"[" + b",".join([_row(hit, with_scores) for hit in hits]) + b"]")
        rows += len(hits)
        if rows >= ROWS_PER_CHUNK:
            rows = 0
            await asyncio.sleep(0)
    return b'{"result":[' + b",".join(lists) + b"]}"


def _row(hit: Hit, with_scores: bool) -> bytes:
    document = document_json(hit.passage)
    return b'{"document":' + document + b',"score":' + to_json(hit.score) + b"}" if with_scores else document


def document_json(passage: Passage) -> bytes:
    """Returns a neutralised passage as JSON, in the form of Search-R1's corpora."""
    write = _kept_document if len(passage.title) + len(passage.text) <= LONGEST_KEPT else _document
    return write(passage.id, passage.title, passage.text)


def _document(passage_id: str, title: str, text: str) -> bytes:
    return to_json({"id": passage_id, "contents": contents(title, text)})


_kept_document = functools.lru_cache(maxsize=16_384)(_document)


def contents(title: str, text: str) -> str:
    """Returns title and text as one string, each neutralised by itself."""
    return f'"{neutralise(title)}"\n{neutralise(text)}'
