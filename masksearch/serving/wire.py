"""Requests and answers as they go over the wire: Search-R1's protocol, and pages.

    POST /retrieve  {"queries": ["who discovered radium"], "topk": 3, "return_scores": true}
                    {"result": [[{"document": {"id": "1", "contents": "\\"Marie Curie\\"\\nMarie Curie was ..."}, "score": 9.1}, ...]]}

Without `return_scores` a row is the document alone. Text is made harmless here: a title and a text each by itself, so that the line break between
them, by which clients tell them apart, is ours.
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
ROWS_AT_A_TIME = 250
"""Rows written before others have their turn."""
LONGEST_KEPT = 2000
"""Characters of a text that is kept as JSON: the same passages are found again and again."""


class Refused(Exception):
    """An answer other than the one asked for: an HTTP status, a sentence, headers."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


class Retrieve(BaseModel):
    """Queries, and what of each is asked for."""

    queries: list[str] = Field(examples=[["who discovered radium"]])
    topk: int | None = Field(
        None, description="Results of each query; null or 0: as many as the server is set to.", examples=[3]
    )
    return_scores: bool = False


class Open(BaseModel):
    """A page by its title, and which part of it."""

    title: str
    part: int = Field(1, ge=1)


class Document(BaseModel):
    """A passage: its title in quotation marks on the first line of `contents`, then its text."""

    id: str
    contents: str


class Scored(BaseModel):
    """A document with the retriever's own score, higher is better."""

    document: Document
    score: float


class Retrieved(BaseModel):
    """One list for each query, best first: with scores, or documents alone."""

    result: list[list[Scored] | list[Document]]


class Part(BaseModel):
    """One part of a page, and how many there are."""

    title: str
    text: str
    part: int
    parts: int


class Health(BaseModel):
    """That the server answers, with the fingerprint of what it searches, and how many passages that has where this is known."""

    status: str
    retriever: str
    passages: int | None


class Problem(BaseModel):
    """What was wrong, in a sentence."""

    detail: str


def parse(body: bytes, model: type[Body]) -> Body:
    """The request in a body. Raises Refused: 400 where it is no JSON, 422 where it is not what is asked for."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        message = first["msg"]
        if first["type"] == "json_invalid":
            raise Refused(
                400, f"The body of the request is no JSON in UTF-8: {message.removeprefix('Invalid JSON: ')}."
            ) from None
        where = ".".join(map(str, first["loc"])) or "body"
        raise Refused(422, f"'{where}' of the request is wrong: {message}.") from None


def results_wanted(asked: Retrieve, settings: ServeSettings) -> int:
    """How many results each query of a request is to have. Raises Refused (422) where a limit is passed."""
    k = asked.topk or settings.default_k  # as Search-R1's server reads null and 0
    count = len(asked.queries)
    if count > settings.max_queries:
        raise Refused(
            422, f"'queries' has {count:,} queries; at most {settings.max_queries:,} can be asked at a time."
        )
    if k < 0:
        raise Refused(422, f"'topk' is {k}; it is to be the number of results of each query.")
    if k > settings.max_k:
        raise Refused(422, f"'topk' is {k}; at most {settings.max_k:,} results of a query can be asked for.")
    if k * count > settings.max_results:
        raise Refused(
            422,
            f"{count:,} queries with {k:,} results each are too many; at most {settings.max_results:,} results can be asked for at a time.",
        )
    for number, query in enumerate(asked.queries):
        check_length(f"queries.{number}", query, settings.max_query)
    return k


def check_length(name: str, text: str, longest: int) -> None:
    """Raises Refused (422) where a text has more than `longest` characters."""
    if len(text) > longest:
        raise Refused(422, f"'{name}' has {len(text):,} characters; at most {longest:,} are allowed.")


async def retrieved(found: Sequence[Sequence[Hit]], with_scores: bool) -> bytes:
    """The answer to a request, as JSON. A long one is written with pauses, in which others have their turn."""
    lists: list[bytes] = []
    rows = 0
    for hits in found:
        lists.append(b"[" + b",".join([_row(hit, with_scores) for hit in hits]) + b"]")
        rows += len(hits)
        if rows >= ROWS_AT_A_TIME:
            rows = 0
            await asyncio.sleep(0)
    return b'{"result":[' + b",".join(lists) + b"]}"


def _row(hit: Hit, with_scores: bool) -> bytes:
    document = document_json(hit.passage)
    return b'{"document":' + document + b',"score":' + to_json(hit.score) + b"}" if with_scores else document


def document_json(passage: Passage) -> bytes:
    """A passage as Search-R1's corpora write it, harmless, as JSON."""
    write = _kept_document if len(passage.title) + len(passage.text) <= LONGEST_KEPT else _document
    return write(passage.id, passage.title, passage.text)


def _document(passage_id: str, title: str, text: str) -> bytes:
    return to_json({"id": passage_id, "contents": contents(title, text)})


_kept_document = functools.lru_cache(maxsize=16_384)(_document)


def contents(title: str, text: str) -> str:
    """Title and text as one string, each made harmless by itself."""
    return f'"{neutralise(title)}"\n{neutralise(text)}'
