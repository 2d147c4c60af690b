"""What every engine is asked for, and the `Searcher` over it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from masksearch.search.batching import in_thread
from masksearch.search.index.base import indexed
from masksearch.search.index.manifest import Manifested
from masksearch.search.index.storage import page_key, page_of
from masksearch.search.settings import IndexSettings
from masksearch.text.terms import TOKENISER, Tokeniser
from masksearch.types import Hit, Page, Passage

SPARE = 8
"""Results asked for beyond those wanted, so that ties at the end can be seen."""
MOST = 10_000
"""Results that an engine gives at most."""


class Engine(ABC):
    """A table of passages in an engine."""

    packages: ClassVar[tuple[str, ...]]
    """Its client library, as installed."""

    @classmethod
    @abstractmethod
    def connect(cls, store: str, table: str) -> Engine:
        """The table at a place. Raises SearchError, UsageError, MissingExtraError."""

    @abstractmethod
    def fill(self, passages: Sequence[Passage], language: str) -> None:
        """Makes the table anew, with all passages."""

    @abstractmethod
    def find(self, terms: Sequence[str], k: int) -> list[Hit]:
        """The best `k` passages that hold any of the terms, best first."""

    @abstractmethod
    def document(self, title_key: str) -> list[Passage]:
        """The passages of the documents with a title (as `page_key` writes it), in order; of the first document, where there are several."""


class StoreSearcher(Manifested):
    """A `Searcher` and `PageReader` over an engine. Pickles: a process of its own connects anew."""

    def __init__(
        self,
        engine: Engine,
        manifest: dict[str, Any],
        directory: Path,
        reopen: Callable[[Path], StoreSearcher],
    ) -> None:
        """`reopen` opens `directory` again in another process."""
        self.engine, self.manifest, self.directory, self.reopen = engine, manifest, directory, reopen
        self._tokeniser = Tokeniser(self.settings.language)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The best `k` passages of each query, best first, equal scores by passage id. Raises SearchError."""
        return [self._search(query, k) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """`search` for one query, in a thread."""
        return await in_thread(self._search, query, k)

    def page(self, title: str) -> Page | None:
        """As `PageReader.page`."""
        passages = self.engine.document(page_key(title)) if page_key(title) else []
        return page_of(passages) if passages else None

    async def apage(self, title: str) -> Page | None:
        """`page`, in a thread."""
        return await in_thread(self.page, title)

    def _search(self, query: str, k: int) -> list[Hit]:
        """Asks for more until the last result is worse than the k-th, so that ties are seen whole."""
        terms = list(dict.fromkeys(self._tokeniser.terms(query)))
        asked = k + SPARE
        while terms and k > 0:
            hits = sorted(
                self.engine.find(terms, min(asked, MOST)), key=lambda hit: (-hit.score, hit.passage.id)
            )
            if len(hits) < asked or asked >= MOST or hits[k - 1].score > hits[-1].score:
                return hits[:k]
            asked *= 4
        return []

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.reopen, (self.directory,)


def rows(passages: Sequence[Passage], language: str) -> Iterator[dict[str, Any]]:
    """Passages as an engine keeps them: the record as JSON, its terms in one string, and what it is looked up by."""
    tokeniser = Tokeniser(language)
    for number, passage in enumerate(passages):
        yield {
            "id": passage.id,
            "number": number,
            "doc_id": passage.doc_id,
            "title_key": page_key(passage.title),
            "terms": " ".join(tokeniser.terms(indexed(passage))),
            "record": passage.model_dump_json(exclude_defaults=True),
        }


def first_document(records: Sequence[str]) -> list[Passage]:
    """The passages of the first document among records in order."""
    passages = [Passage.model_validate_json(record) for record in records]
    return [passage for passage in passages if passage.doc_id == passages[0].doc_id]


def identity(settings: IndexSettings, engine: type[Engine]) -> dict[str, Any]:
    """What a ranking depends on, beside the corpus."""
    return {
        "language": settings.language,
        "tokeniser": TOKENISER,
        **{name: version(name) for name in engine.packages},
    }
