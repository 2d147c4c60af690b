"""What the indexes in this process have in common: passages on disk or in memory, ranked by row, ties by passage id."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch.search.index.manifest import Manifested
from masksearch.search.index.storage import StoredPassages, page_key, page_of
from masksearch.types import Hit, Page, Passage

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Ranked = list[tuple[int, float]]
"""Rows with their scores, best first."""


class LocalSearcher(Manifested, ABC):
    """A `Searcher` and `PageReader` over an index. Safe to share between threads; pickles where it was loaded from a folder."""

    def __init__(
        self,
        passages: Sequence[Passage],
        order: Ints,
        manifest: dict[str, Any],
        directory: Path | None = None,
    ) -> None:
        self.passages = passages
        self.order = order
        """int32: for each row, the place of its passage's id among all ids."""
        self.manifest = manifest
        self.directory = directory
        self.reopen: Callable[[Path], LocalSearcher] | None = None
        """Opens `directory` again in another process; `search.open.load` sets it."""

    @abstractmethod
    def rank(self, queries: Sequence[str], k: int) -> list[Ranked]:
        """The best `k` rows of each query, equal scores by passage id."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The best `k` passages of each query, best first, equal scores by passage id."""
        return [
            [Hit(passage=self.passages[row], score=score) for row, score in ranked]
            for ranked in self.rank(queries, k)
        ]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """`search` for one query."""
        return self.search([query], k)[0]

    def page(self, title: str) -> Page | None:
        """As `PageReader.page`."""
        if isinstance(self.passages, StoredPassages):
            return self.passages.page(title)
        rows = self._titles.get(page_key(title))
        return page_of([self.passages[row] for row in rows]) if rows else None

    async def apage(self, title: str) -> Page | None:
        """As `PageReader.apage`; a few reads from memory."""
        return self.page(title)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as its folder's path. Raises TypeError where it was not opened from a folder."""
        if self.reopen is None or self.directory is None:
            raise TypeError(
                f"this {type(self).__name__} was not opened from a folder, so it cannot be pickled"
            )
        return self.reopen, (self.directory,)

    @cached_property
    def _titles(self) -> dict[str, list[int]]:
        """Title -> the rows of the first document that has it."""
        found: dict[str, list[int]] = {}
        for row, passage in enumerate(self.passages):
            rows = found.setdefault(page_key(passage.title), [])
            if not rows or self.passages[rows[0]].doc_id == passage.doc_id:
                rows.append(row)
        found.pop("", None)
        return found


def best(rows: Ints, totals: Floats, order: Ints, k: int) -> Ranked:
    """The rows of the k highest totals, with these. All rows that tie with the k-th take part, then ids decide."""
    if k < len(rows):
        kept = totals >= np.partition(totals, len(totals) - k)[len(totals) - k]
        rows, totals = rows[kept], totals[kept]
    chosen = np.lexsort((order[rows], -totals))[:k]
    return list(zip(rows[chosen].tolist(), totals[chosen].tolist(), strict=True))


def mapped(path: Path) -> Any:
    """A saved array, memory-mapped. A plain array, not a numpy.memmap: the same memory without the subclass's cost on every slice."""
    return np.asarray(np.load(path, mmap_mode="r"))


def indexed(passage: Passage) -> str:
    """What of a passage can be found."""
    return f"{passage.title}\n{passage.text}"
