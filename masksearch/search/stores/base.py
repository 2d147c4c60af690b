"""The interface of an engine, and the `Searcher` over an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from masksearch.search.batching import in_thread
from masksearch.search.index.base import indexed_text
from masksearch.search.index.manifest import Manifested
from masksearch.search.index.storage import page_key, page_of
from masksearch.search.settings import IndexSettings
from masksearch.text.terms import TOKENISER, Tokeniser
from masksearch.types import Hit, Page, Passage

EXTRA_RESULTS = 8
"""Number of results requested beyond k, to detect results with the same score as the k-th."""
MAX_RESULTS = 10_000
"""Largest number of results requested from an engine."""


class Engine(ABC):
    """A table of passages in a storage engine."""

    packages: ClassVar[tuple[str, ...]]
    """Distribution names of the engine's client library."""

    @classmethod
    @abstractmethod
    def connect(cls, store: str, table: str) -> Engine:
        """Connects to a table of a store.

        Raises SearchError if the engine fails, UsageError for a wrong `store`, and MissingExtraError if the
        client library is not installed.
        """

    @abstractmethod
    def fill(self, passages: Sequence[Passage], language: str) -> None:
        """Replaces the table by a table with these passages. Raises SearchError."""

    @abstractmethod
    def find(self, terms: Sequence[str], k: int) -> list[Hit]:
        """Returns the best `k` passages that hold any of the terms, best first. Raises SearchError."""

    @abstractmethod
    def document(self, title_key: str) -> list[Passage]:
        """Returns the passages, in order, of the first document with a title key (see `page_key`), or an
        empty list."""


class StoreSearcher(Manifested):
    """A `Searcher` and `PageReader` over an engine. It can be pickled; another process opens its own
    connection."""

    def __init__(
        self,
        engine: Engine,
        manifest: dict[str, Any],
        directory: Path,
        reopen: Callable[[Path], StoreSearcher],
    ) -> None:
        """`reopen` opens `directory` in another process."""
        self.engine, self.manifest, self.directory, self.reopen = engine, manifest, directory, reopen
        self._tokeniser = Tokeniser(self.settings.language)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns the best `k` passages of each query, best first; equal scores are ordered by passage id.

        Raises SearchError if the engine fails.
        """
        return [self._search(query, k) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query in a thread."""
        return await in_thread(self._search, query, k)

    def page(self, title: str) -> Page | None:
        """Returns the page with this title, or None (see `PageReader.page`)."""
        passages = self.engine.document(page_key(title)) if page_key(title) else []
        return page_of(passages) if passages else None

    async def apage(self, title: str) -> Page | None:
        """Runs `page` in a thread."""
        return await in_thread(self.page, title)

    def _search(self, query: str, k: int) -> list[Hit]:
        """Returns the best `k` passages.

        Requests more results until the last result is worse than the k-th, so that no ties are cut off.
        """
        terms = list(dict.fromkeys(self._tokeniser.terms(query)))
        depth = k + EXTRA_RESULTS
        while terms and k > 0:
            found = self.engine.find(terms, min(depth, MAX_RESULTS))
            hits = sorted(found, key=lambda hit: (-hit.score, hit.passage.id))
            if len(hits) < depth or depth >= MAX_RESULTS or hits[k - 1].score > hits[-1].score:
                return hits[:k]
            depth *= 4
        return []

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.reopen, (self.directory,)


def rows(passages: Sequence[Passage], language: str) -> Iterator[dict[str, Any]]:
    """Yields the rows that engines store: the passage as JSON, its terms in one string, and lookup fields."""
    tokeniser = Tokeniser(language)
    for number, passage in enumerate(passages):
        yield {
            "id": passage.id,
            "number": number,
            "doc_id": passage.doc_id,
            "title_key": page_key(passage.title),
            "terms": " ".join(tokeniser.terms(indexed_text(passage))),
            "record": passage.model_dump_json(exclude_defaults=True),
        }


def first_document(records: Sequence[str]) -> list[Passage]:
    """Returns the passages of the first document among JSON records that are in order."""
    passages = [Passage.model_validate_json(record) for record in records]
    return [passage for passage in passages if passage.doc_id == passages[0].doc_id]


def identity(settings: IndexSettings, engine: type[Engine]) -> dict[str, Any]:
    """Returns all inputs of an engine's ranking except the corpus, for the index's fingerprint."""
    return {
        "language": settings.language,
        "tokeniser": TOKENISER,
        **{name: version(name) for name in engine.packages},
    }
