"""Searchers that record their calls and raise given failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksearch.search import Bm25Searcher
from masksearch.types import Hit, Page, Passage

WORDS = [
    *("radium", "polonium", "element", "chemical", "curie", "paris", "france", "capital", "river"),
    *("mountain", "city", "king", "queen", "war", "peace", "river", "lake"),
]
PASSAGES = [
    Passage(
        id=f"p{number:03d}",
        doc_id=f"d{number // 2}",
        title=f"Title {number // 2}",
        text=f"{WORDS[number % 17]} and {WORDS[number % 5]} number {number}.",
    )
    for number in range(60)
]


class Counting:
    """A `Searcher` over PASSAGES that records calls in `asked`. Each call raises the next of `failures`,
    if any."""

    def __init__(self, failures: Sequence[Exception] = (), passages: Sequence[Passage] = PASSAGES) -> None:
        self.inner = Bm25Searcher.in_memory(passages)
        self.failures = list(failures)
        self.asked: list[Any] = []

    @property
    def fingerprint(self) -> str:
        return self.inner.fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        self.asked.append((list(queries), k))
        if self.failures:
            raise self.failures.pop(0)
        return self.inner.search(queries, k)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        return self.search([query], k)[0]


class CountingPages(Counting):
    """A `Counting` searcher that is also a `PageReader`."""

    def page(self, title: str) -> Page | None:
        self.asked.append(title)
        if self.failures:
            raise self.failures.pop(0)
        return self.inner.page(title)

    async def apage(self, title: str) -> Page | None:
        return self.page(title)
