"""Settings of the search server."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from masksearch.runtime.settings import Settings
from masksearch.search.settings import SearchSettings


class ServeSettings(Settings):
    """Answers searches of other programs over HTTP, or over the Model Context Protocol."""

    host: str = "127.0.0.1"
    """Address to listen on. The default is for programs on this machine only; there is no authentication."""
    port: int = Field(8000, ge=0, le=65535)
    """0: any that is free."""
    default_k: int = Field(3, ge=1)
    """Results of a query where the request does not say."""
    max_k: int = Field(1000, ge=1)
    """Most results of a query that may be asked for."""
    max_query: int = Field(10_000, ge=1)
    """Longest query, in characters."""
    max_queries: int = Field(2048, ge=1)
    """Most queries of a request."""
    max_results: int = Field(100_000, ge=1)
    """Most results of all queries of a request together."""
    max_body: int = Field(8_000_000, ge=1)
    """Longest body of a request, in bytes."""
    max_batch: int = Field(64, ge=1)
    """Most queries, of all requests that wait, that are searched together."""
    max_waiting: int = Field(10_000, ge=1)
    """Queries that may wait; requests beyond are told to come again later (503)."""
    connections: int = Field(900, ge=1)
    """Most open connections; below the 1,024 files that a process may usually have open."""
    read_timeout: float = Field(10.0, gt=0)
    """Seconds within which a request must have arrived: its head, and then its body."""
    drain: int = Field(30, ge=0)
    """Seconds that requests have to finish once the server is told to stop."""
    open_words: int = Field(120, ge=1)
    """Words of one part of an opened page."""
    search: SearchSettings = SearchSettings()

    @field_validator("max_k")
    @classmethod
    def _max_k(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("default_k", 1):
            raise ValueError(f"it should be at least default_k, which is {info.data['default_k']}")
        return value
