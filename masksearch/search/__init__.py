"""Search: indexes passages and ranks them for a query. Every searcher has a fingerprint that identifies its
results.

masksearch index CORPUS -o index/          build_index
masksearch search index/ "QUERY" -k 5      open_searcher(...).search
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksearch.runtime.extras import lazy_names

if TYPE_CHECKING:
    from masksearch.search.index.base import LocalSearcher
    from masksearch.search.index.bm25 import Bm25Searcher
    from masksearch.search.index.build import build
    from masksearch.search.open import describe, load, open_searcher
    from masksearch.search.stage import build_index, read_passages

__all__ = [
    "Bm25Searcher",
    "LocalSearcher",
    "build",
    "build_index",
    "describe",
    "load",
    "open_searcher",
    "read_passages",
]
__getattr__ = lazy_names(
    __name__,
    {
        "Bm25Searcher": "index.bm25",
        "LocalSearcher": "index.base",
        "build": "index.build",
        "build_index": "stage",
        "describe": "open",
        "load": "open",
        "open_searcher": "open",
        "read_passages": "stage",
    },
)
