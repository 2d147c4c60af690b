"""The work of the routes: takes request bodies and returns answer bodies. Depends on no web framework."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic_core import to_json

from masksearch.errors import SearchError, SearchUnavailableError
from masksearch.protocols import PageReader, Searcher
from masksearch.search import Bm25Searcher, LocalSearcher
from masksearch.search.batching import Batcher, in_thread
from masksearch.serving import wire
from masksearch.serving.body import Receive, read_body
from masksearch.serving.metrics import Metrics
from masksearch.serving.settings import ServeSettings
from masksearch.serving.wire import Refused
from masksearch.text.excerpts import text_part
from masksearch.text.neutralise import neutralise

REMOTE_AT_ONCE = 8
"""Maximum number of batches that run at a time, for a search that waits for other machines."""


class Service:
    """A search as a service. Its methods raise Refused and SearchError."""

    def __init__(self, searcher: Searcher, settings: ServeSettings) -> None:
        self.settings = settings
        self.reader = searcher if isinstance(searcher, PageReader) else None
        # A BM25 search is so short that it runs on the event loop; other searches run in threads.
        inline = type(searcher) is Bm25Searcher
        self.metrics = Metrics(lambda: self.batcher.waiting())
        self.batcher = Batcher(
            searcher,
            settings.max_batch,
            inline,
            1 if isinstance(searcher, LocalSearcher) else REMOTE_AT_ONCE,
            self.metrics.batch,
        )
        self.health = to_json(
            wire.Health(status="ok", retriever=searcher.fingerprint, passages=_count(searcher))
        )
        """The answer to GET /health, as JSON."""

    async def retrieve(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        """Answers POST /retrieve."""
        asked = wire.parse(await self._body(receive, headers), wire.Retrieve)
        k = wire.results_wanted(asked, self.settings)
        self.metrics.queries(len(asked.queries))
        queries = [query for query in asked.queries if query.strip()]
        waiting = self.batcher.waiting()
        if waiting and waiting + len(queries) > self.settings.max_waiting:
            raise Refused(503, f"{waiting:,} queries are waiting; try again later.", {"retry-after": "1"})
        found = iter(await self.batcher.search_all(queries, k))
        return await wire.retrieved(
            [next(found) if query.strip() else [] for query in asked.queries], asked.return_scores
        )

    async def open(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        """Answers POST /open."""
        asked = wire.parse(await self._body(receive, headers), wire.Open)
        wire.check_length("title", asked.title, self.settings.max_query)
        assert self.reader is not None  # only a PageReader has this route
        return to_json(await opened(self.reader, asked, self.settings.open_words))

    async def _body(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        return await read_body(receive, headers, self.settings.max_body, self.settings.read_timeout)


async def opened(reader: PageReader, asked: wire.Open, words: int) -> wire.Part:
    """Returns one part of a page, `words` words long.

    Raises Refused (404) if the page or the part does not exist, and SearchError.
    """
    page = await reader.apage(asked.title)
    if page is None:
        raise Refused(404, "There is no page with this title.")
    # A long page takes a while, so this runs in a thread.
    text, parts = await in_thread(text_part, page.text, asked.part, words)
    if not text:
        raise Refused(404, f"This page has no part {asked.part}; its number of parts is {parts}.")
    return wire.Part(title=neutralise(page.title), text=text, part=asked.part, parts=parts)


def refusal(error: Exception) -> Refused:
    """Returns the answer to a request that ended with an error."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, SearchUnavailableError):
        return Refused(503, str(error), {"retry-after": str(max(1, math.ceil(error.retry_after or 1)))})
    if isinstance(error, SearchError):
        return Refused(502, str(error))
    return Refused(500, "The server failed at this request. Its log holds the error.")


def _count(searcher: Searcher) -> int | None:
    """Returns the number of indexed passages; None if the searcher does not give this number."""
    passages = getattr(searcher, "passages", None)
    return None if passages is None else len(passages)
