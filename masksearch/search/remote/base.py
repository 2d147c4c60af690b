"""Any search provider behind HTTP as a `Searcher`: an adapter says what to ask and how to read the answer, and never touches the network."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from masksearch.search.batching import in_thread
from masksearch.search.remote.client import MAX_BYTES, JsonClient
from masksearch.search.remote.records import Complaint, Request, Service
from masksearch.text.display import encodable, one_line
from masksearch.types import Hit

TOGETHER = 8
"""Queries of one call that are under way at a time."""


class Provider(Protocol):
    """An adapter: what one provider is asked, and what its answers mean. Does no input or output; pickles."""

    @property
    def service(self) -> Service:
        """Where it is, and how it is told who asks."""

    def request(self, query: str, k: int) -> Request:
        """Asks for the best `k` results, or as many as the provider gives at a time. The query is on one line and not empty."""

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """The best `k` of an answer. Raises UnexpectedShape where the results are missing, unless the provider documents that for none."""

    def complaint(self, payload: Any) -> Complaint | None:
        """The error that an answer reports, whatever its status; None where it reports none."""


class RemoteSearcher:
    """A `Searcher` over a provider. One attempt a query; safe to share between threads; pickles without its connections and without the key.

    `timeout` is in seconds. Raises UsageError without the provider's key in the environment, MissingExtraError without httpx.
    """

    def __init__(self, provider: Provider, timeout: float = 30.0, max_bytes: int = MAX_BYTES) -> None:
        self.provider = provider
        self.client = JsonClient(provider.service, timeout, max_bytes)

    @property
    def fingerprint(self) -> str:
        """The provider's name. It says who was asked, not that the answers can be had again: what is on the web changes."""
        return self.provider.service.name

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`; several queries are under way at a time. The first that fails, in their order, ends the call."""
        if len(queries) < 2:
            return [self._search(query, k) for query in queries]
        # Not the threads that `asearch` waits in: a call from one of those would wait for a place among them.
        with ThreadPoolExecutor(min(TOGETHER, len(queries)), "search-batch") as pool:
            return list(pool.map(self._search, queries, [k] * len(queries)))

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`."""
        return await in_thread(self._search, query, k)

    def close(self) -> None:
        """Gives the connections back; the next search makes new ones."""
        self.client.close()

    def _search(self, query: str, k: int) -> list[Hit]:
        query = one_line(encodable(query))
        if k < 1 or not query:
            return []
        return self.client.ask(
            self.provider.request(query, k), self.provider.complaint, partial(self.provider.hits, k=k)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.provider, self.client.timeout, self.client.max_bytes)
