"""Settings of the search server."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from masksearch.runtime.settings import Settings
from masksearch.search.settings import SearchSettings


class ServeSettings(Settings):
    """Answers the searches of other programs, over HTTP or over the Model Context Protocol."""

    basic = ("host", "port", "default_k", "max_k")

    host: str = "127.0.0.1"
    """Address to listen on. By default only programs on this machine can connect; there is no
    authentication."""
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
    search: SearchSettings = SearchSettings()
    """Settings of the search."""

    @field_validator("max_k")
    @classmethod
    def _max_k(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("default_k", 1):
            raise ValueError(f"it should be at least default_k, which is {info.data['default_k']}")
        return value
