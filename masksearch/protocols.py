"""Interfaces between rooms (subpackages) that do not import each other.

Every search back end is a `Searcher`; tasks, agent and teacher use only this interface. A back end that also
opens pages by title is a `PageReader` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from masksearch.types import Hit, Page


@runtime_checkable
class Searcher(Protocol):
    """Finds passages for queries. Safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """A short text that identifies the search: two searchers have the same text if and only if they
        return equal results for equal queries."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns the best `k` passages of each query, best first. A query with fewer matches gets fewer
        passages, and a query without content gets an empty list.

        Raises SearchError if the back end fails, and SearchUnavailableError if another try may succeed.
        """

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query without blocking the event loop."""


@runtime_checkable
class PageReader(Protocol):
    """Opens pages by title, ignoring case and white space.

    Both the original title and its neutralised form are found.
    """

    def page(self, title: str) -> Page | None:
        """Returns the page with this title, or None. Raises SearchError if the back end fails."""

    async def apage(self, title: str) -> Page | None:
        """Runs `page` without blocking the event loop."""
