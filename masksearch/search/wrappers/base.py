"""What all wrappers have in common: they are searchers, and page readers where that which they stand round is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter

from masksearch.protocols import PageReader, Searcher
from masksearch.types import Hit, Page

HITS: Final = TypeAdapter(list[Hit])
PAGE: Final = TypeAdapter(Page | None)


class Wrapper:
    """A `Searcher` round another one, by itself without effect."""

    def __init__(self, inner: Searcher) -> None:
        self.inner = inner
        if isinstance(inner, PageReader):
            # On the instance, so that the protocol's check tells the truth of each one.
            self.page, self.apage = self._page, self._apage

    @property
    def fingerprint(self) -> str:
        """That of the searcher inside, where results are the same."""
        return self.inner.fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`."""
        return self.inner.search(queries, k)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`."""
        return await self.inner.asearch(query, k)

    @property
    def pages(self) -> PageReader:
        """The searcher inside as a page reader. Raises TypeError where it is none."""
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
