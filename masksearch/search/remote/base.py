"""A `Searcher` over any search provider with an HTTP interface.

A `Provider` builds the requests and reads the answers; only the `JsonClient` uses the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from masksearch.search.batching import in_thread
from masksearch.search.remote.client import MAX_BYTES, JsonClient
from masksearch.search.remote.records import ReportedError, Request, Service
from masksearch.text.display import encodable, one_line
from masksearch.types import Hit

TOGETHER = 8
"""Number of queries of one call that are sent at the same time."""


class Provider(Protocol):
    """Adapter of a provider: builds requests and parses answers. It does no input or output, and can be
    pickled."""

    @property
    def service(self) -> Service:
        """Address, headers and key of the provider."""

    def request(self, query: str, k: int) -> Request:
        """Builds the request for the best `k` results, or for the most results that the provider returns at
        once.

        The query is a single line and not empty.
        """

    def hits(self, payload: Any, k: int) -> list[Hit]:
        """Returns the best `k` results of an answer.

        Raises UnexpectedShape if the results are missing, unless the provider documents a missing
        field for an empty result.
        """

    def complaint(self, payload: Any) -> ReportedError | None:
        """Returns the error that an answer reports, for any HTTP status, or None if it reports no error."""


class RemoteSearcher:
    """A `Searcher` over a provider, with one attempt per query.

    Threads may share a searcher. It is pickled without its connections and without the key. `timeout` is in
    seconds. Raises UsageError if the provider's key is not in the environment, MissingExtraError if httpx
    is not installed.
    """

    def __init__(self, provider: Provider, timeout: float = 30.0, max_bytes: int = MAX_BYTES) -> None:
        self.provider = provider
        self.client = JsonClient(provider.service, timeout, max_bytes)

    @property
    def fingerprint(self) -> str:
        """The provider's name. It identifies the service, but the results change with the web."""
        return self.provider.service.name

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches all queries, several at the same time (see `Searcher.search`).

        Raises the error of the first query, in their order, that fails.
        """
        if len(queries) < 2:
            return [self._search(query, k) for query in queries]
        # The pool of `in_thread` could deadlock here, because this call may hold a thread of the pool while
        # it waits for other threads.
        with ThreadPoolExecutor(min(TOGETHER, len(queries)), "search-batch") as pool:
            return list(pool.map(self._search, queries, [k] * len(queries)))

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Searches one query in a thread (see `Searcher.asearch`)."""
        return await in_thread(self._search, query, k)

    def close(self) -> None:
        """Closes the connections; the next search opens new ones."""
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
