"""Hybrid search: the rankings of BM25 and of a sentence encoder, combined by reciprocal rank fusion.

A passage at rank r (from 1) of a ranking gets weight / (k + r), so scores of different kinds need not be
compared. Cormack, Clarke and Buettcher (SIGIR 2009) use k = 60 and equal weights. With a small encoder,
these values are worse than BM25 alone in the first 20 results; the defaults of the settings were chosen on
training questions of HotpotQA (docs/log.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from masksearch.search.batching import Batcher
from masksearch.search.index.base import Ints, LocalSearcher, Ranked, best
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.search.index.dense import DenseSearcher
from masksearch.types import Hit


class HybridSearcher(LocalSearcher):
    """A `Searcher` over the two indexes of one folder."""

    def __init__(self, words: Bm25Searcher, meaning: DenseSearcher) -> None:
        super().__init__(words.passages, words.order, words.manifest, words.directory)
        self.words, self.meaning = words, meaning

    def rank(self, queries: Sequence[str], k: int) -> list[Ranked]:
        """Returns the best `k` rows of each query by summed reciprocal rank, ties ordered by passage id."""
        settings = self.settings.dense
        depth = max(k, settings.rrf_depth) if k > 0 else 0
        weights = (1.0, settings.rrf_weight)
        both = zip(self.words.rank(queries, depth), self.meaning.rank(queries, depth), strict=True)
        return [fuse(rankings, weights, settings.rrf_k, self.order, k) for rankings in both]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query. Concurrent queries are encoded in one batch."""
        return await self._batcher.search(query, k)

    @cached_property
    def _batcher(self) -> Batcher:
        return Batcher(self, self.settings.dense.batch)

    def knows(self, text: str) -> bool:
        """Whether a term of the text is in any passage (see `Bm25Searcher.knows`)."""
        return self.words.knows(text)

    def document_frequency(self, text: str) -> int:
        """Returns the number of passages with the rarest term (see `Bm25Searcher.document_frequency`)."""
        return self.words.document_frequency(text)


def fuse(rankings: Sequence[Ranked], weights: Sequence[float], rrf_k: int, order: Ints, k: int) -> Ranked:
    """Fuses weighted rankings of the same passages; returns the best `k` rows with their sums.

    `order` is int32 (passages,) and breaks ties (see `LocalSearcher.order`).
    """
    totals: defaultdict[int, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, (row, _) in enumerate(ranking, 1):
            totals[row] += weight / (rrf_k + rank)
    if not totals or k < 1:
        return []
    rows = np.array(list(totals), dtype=np.int32)  # (fused rows,)
    sums = np.array(list(totals.values()), dtype=np.float32)  # (fused rows,)
    return best(rows, sums, order, k)
