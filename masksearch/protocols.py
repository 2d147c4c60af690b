"""The seams of the package: what a room asks of another one it may not import.

A search back end is anything that answers `search`; the tasks, the agent and the teacher see no more of it than this. One that can also open
pages by their titles is a `PageReader` besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from masksearch.types import Hit, Page


@runtime_checkable
class Searcher(Protocol):
    """The environment: finds passages for queries. Safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """Short text that is the same if and only if the same queries bring the same results."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The best `k` passages of each query, best first; fewer where fewer match, none for a query without content.

        Raises SearchError where the back end fails, of the kind SearchUnavailableError where another try may help.
        """

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """`search` for one query, without blocking the event loop."""


@runtime_checkable
class PageReader(Protocol):
    """Opens pages by title, whatever its case and white space, and whether it is the title as it stands or as it was shown."""

    def page(self, title: str) -> Page | None:
        """The page with this title; None where there is none. Raises SearchError where the back end fails."""

    async def apage(self, title: str) -> Page | None:
        """`page`, without blocking the event loop."""
