"""Base of all wrappers: a searcher around another searcher, and also a page reader if the inner searcher is
a page reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter

from masksearch.protocols import PageReader, Searcher
from masksearch.types import Hit, Page

HITS: Final = TypeAdapter(list[Hit])
PAGE: Final = TypeAdapter(Page | None)


class Wrapper:
    """A `Searcher` that passes all calls to another searcher."""

    def __init__(self, inner: Searcher) -> None:
        self.inner = inner
        if isinstance(inner, PageReader):
            # `page` and `apage` are set on the instance and not defined in the class, because
            # isinstance(wrapper, PageReader) must be true only if the inner searcher is a page reader.
            self.page, self.apage = self._page, self._apage

    @property
    def fingerprint(self) -> str:
        """The inner searcher's fingerprint; wrappers that change results extend it."""
        return self.inner.fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Passes the queries on (see `Searcher.search`)."""
        return self.inner.search(queries, k)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Passes the query on (see `Searcher.asearch`)."""
        return await self.inner.asearch(query, k)

    @property
    def pages(self) -> PageReader:
        """The inner searcher as a page reader. Raises TypeError if it is not a page reader."""
        if not isinstance(self.inner, PageReader):
            raise TypeError(f"{self.inner.fingerprint} opens no pages")
        return self.inner

    def _page(self, title: str) -> Page | None:
        return self.pages.page(title)

    async def _apage(self, title: str) -> Page | None:
        return await self.pages.apage(title)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in ("page", "apage")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if isinstance(self.inner, PageReader):
            self.page, self.apage = self._page, self._apage
