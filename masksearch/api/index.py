"""An index as an object: built from a corpus, or opened by its path or name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksearch.api.products import Corpus, Product, Source, as_corpus
from masksearch.api.records import is_rows
from masksearch.api.signature import with_settings
from masksearch.api.workspace import folder_of, run
from masksearch.errors import UsageError
from masksearch.runtime.own import own_name
from masksearch.search.settings import IndexSettings

if TYPE_CHECKING:
    from masksearch.protocols import Searcher
    from masksearch.types import Hit


class Index(Product):
    """A search: an index folder, a service on the network (`wikipedia:en`, `web:NAME`, a URL), or your own
    function, as `FILE.py:NAME`."""

    def __init__(
        self, path: Source, summary: Mapping[str, Any] | None = None, folder: Path | None = None
    ) -> None:
        """Opens an index at its first search."""
        super().__init__(path, summary, folder)
        self.source = os.fspath(path)
        """The index as commands and settings name it."""

    def __fspath__(self) -> str:
        return self.source

    @classmethod
    @with_settings(IndexSettings)
    def build(
        cls, corpus: Any, *, folder: Source | None = None, name: str | None = None, **settings: Any
    ) -> Index:
        """Cuts a corpus into passages and indexes them (`masksearch index`).

        `corpus` is a Corpus, or anything from which a Corpus is made. Returns at once if the same index
        exists.
        """
        given = as_corpus(corpus, folder)
        if given.language:
            settings.setdefault("language", given.language)
        made = run("index", "Index.build", {"corpus": given, **settings}, folder_of(folder, given), name)
        return cls(made.path, made.summary, made.folder)

    @cached_property
    def searcher(self) -> Searcher:
        """The opened search."""
        from masksearch.search import open_searcher

        return open_searcher(self.source)

    def search(self, query: str, k: int = 5) -> list[Hit]:
        """Returns the `k` best passages for a query, best first."""
        return self.searcher.search([query], k)[0]

    def __len__(self) -> int:
        """Number of passages of an index folder."""
        return len(self.searcher.passages)  # type: ignore[attr-defined]

    def __bool__(self) -> bool:
        return True


def as_index(index: Any) -> Index:
    """Returns an Index, made from the value if it is none: a path, the name of a service, or a function
    `search(query, k)`. Raises UsageError for a list of documents."""
    if isinstance(index, Index):
        return index
    if callable(index):
        return Index(own_name(index))
    if isinstance(index, Corpus) or is_rows(index):
        raise UsageError("An index is needed here, not a corpus; build one with build_index(corpus).")
    return Index(index)
