"""Base of the indexes searched in this process, which rank rows; ties are ordered by passage id."""

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
"""(row, score) pairs, best first."""


class LocalSearcher(Manifested, ABC):
    """A `Searcher` and `PageReader` over an index. Threads may share it.

    An index that was loaded from a folder can be pickled.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        order: Ints,
        manifest: dict[str, Any],
        directory: Path | None = None,
    ) -> None:
        self.passages = passages
        self.order = order
        """int32 (passages,): for each row, the position of its passage's id among all ids in sorted order."""
        self.manifest = manifest
        self.directory = directory
        self.reopen: Callable[[Path], LocalSearcher] | None = None
        """Opens the folder `directory` again when the searcher is unpickled, for example in another process.
        Set by `search.open.load`."""

    @abstractmethod
    def rank(self, queries: Sequence[str], k: int) -> list[Ranked]:
        """Returns the best `k` rows of each query; rows with equal scores are ordered by passage id."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns the best `k` passages of each query, best first; equal scores are ordered by passage id."""
        return [
            [Hit(passage=self.passages[row], score=score) for row, score in ranked]
            for ranked in self.rank(queries, k)
        ]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query."""
        return self.search([query], k)[0]

    def page(self, title: str) -> Page | None:
        """Returns the page with this title, or None (see `PageReader.page`)."""
        if isinstance(self.passages, StoredPassages):
            return self.passages.page(title)
        rows = self._titles.get(page_key(title))
        return page_of([self.passages[row] for row in rows]) if rows else None

    async def apage(self, title: str) -> Page | None:
        """Runs `page` on the event loop, because it needs only a few reads from memory."""
        return self.page(title)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as the path of the index folder. Raises TypeError if it was not opened from a folder."""
        if self.reopen is None or self.directory is None:
            raise TypeError(
                f"this {type(self).__name__} was not opened from a folder, so it cannot be pickled"
            )
        return self.reopen, (self.directory,)

    @cached_property
    def _titles(self) -> dict[str, list[int]]:
        """Title key -> rows of the first document with this title. Documents with an empty title are left
        out."""
        found: dict[str, list[int]] = {}
        for row, passage in enumerate(self.passages):
            rows = found.setdefault(page_key(passage.title), [])
            if not rows or self.passages[rows[0]].doc_id == passage.doc_id:
                rows.append(row)
        found.pop("", None)
        return found


def best(rows: Ints, totals: Floats, order: Ints, k: int) -> Ranked:
    """Returns the k rows with the highest totals, best first, each with its total.

    Rows with equal totals are ordered by passage id. `rows` and `totals` are (candidates,), `order` is
    (passages,).
    """
    if k < len(rows):
        # Rows that tie with the k-th row stay candidates, so that their ids decide which of them are
        # returned.
        kept = totals >= np.partition(totals, len(totals) - k)[len(totals) - k]
        rows, totals = rows[kept], totals[kept]
    chosen = np.lexsort((order[rows], -totals))[:k]  # (k,); np.lexsort sorts by its last key first
    return list(zip(rows[chosen].tolist(), totals[chosen].tolist(), strict=True))


def mapped(path: Path) -> Any:
    """Loads a saved array memory-mapped.

    Returns a plain array instead of a numpy.memmap. The array shares the memory, but its slices avoid the
    cost of the subclass.
    """
    return np.asarray(np.load(path, mmap_mode="r"))


def indexed_text(passage: Passage) -> str:
    """Returns the indexed text of a passage: title and text."""
    return f"{passage.title}\n{passage.text}"
