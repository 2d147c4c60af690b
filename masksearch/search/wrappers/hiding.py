"""Searches that hide some articles.

A RAMP task is made from a passage of the indexed corpus, so a search nearly always finds this passage. This
short cut teaches copying. If a task has `source_hidden`, all its searches therefore leave out its own
article: those of the checks, the teacher, the rollouts and the evaluation (see `search_for_task`).

The other results keep their order and scores, and up to k of them are returned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence

from masksearch.protocols import PageReader, Searcher
from masksearch.search.index.storage import page_key
from masksearch.types import Hit, MaskedTask, Page, Passage, Task, source_titles

EXTRA_RESULTS = 8
"""Number of results requested beyond k at first. If fewer than k of the results are visible, the search is
repeated with four times as many results."""


class HiddenSource:
    """A `Searcher` without the passages of some articles, given by titles (compared by `page_key`) or
    document ids.

    Titles also match in their neutralised form, because servers return neutralised titles and no document
    ids. Empty titles match no article: untitled documents are hidden by id only.
    """

    def __init__(self, searcher: Searcher, titles: Collection[str], doc_ids: Collection[str] = ()) -> None:
        self.searcher = searcher
        self.titles = frozenset(filter(None, map(page_key, titles)))
        self.doc_ids = frozenset(doc_ids)

    @property
    def fingerprint(self) -> str:
        """The inner searcher's fingerprint and a hash of the hidden titles and ids."""
        hidden = json.dumps([sorted(self.titles), sorted(self.doc_ids)])
        return f"{self.searcher.fingerprint}-without-{hashlib.sha256(hidden.encode()).hexdigest()[:8]}"

    def hides(self, passage: Passage) -> bool:
        """Whether a passage belongs to a hidden article."""
        return passage.doc_id in self.doc_ids or page_key(passage.title) in self.titles

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns the best `k` passages that are not hidden (see `Searcher.search`)."""
        answers: list[list[Hit]] = [[] for _ in queries]
        pending = list(range(len(queries))) if k > 0 else []
        depth = k + EXTRA_RESULTS
        while pending:
            found = self.searcher.search([queries[place] for place in pending], depth)
            unfinished = []
            for place, hits in zip(pending, found, strict=True):
                answers[place] = self._visible(hits, k)
                # A search that returns fewer results than requested has no further results.
                if len(answers[place]) < k and len(hits) >= depth:
                    unfinished.append(place)
            pending = unfinished
            depth *= 4
        return answers

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Returns the best `k` passages that are not hidden (see `Searcher.asearch`)."""
        depth = k + EXTRA_RESULTS
        while k > 0:
            hits = await self.searcher.asearch(query, depth)
            visible = self._visible(hits, k)
            if len(visible) == k or len(hits) < depth:
                return visible
            depth *= 4
        return []

    def page(self, title: str) -> Page | None:
        """Returns the page with this title; None if it is hidden or the inner searcher opens no pages."""
        return self._page(self.searcher.page(title)) if isinstance(self.searcher, PageReader) else None

    async def apage(self, title: str) -> Page | None:
        """Runs `page` without blocking the event loop."""
        return self._page(await self.searcher.apage(title)) if isinstance(self.searcher, PageReader) else None

    def _page(self, page: Page | None) -> Page | None:
        if page is None or page.doc_id in self.doc_ids or page_key(page.title) in self.titles:
            return None
        return page

    def _visible(self, hits: Sequence[Hit], k: int) -> list[Hit]:
        return [hit for hit in hits if not self.hides(hit.passage)][:k]


class WithoutGold:
    """A search from which `search_for_task` removes the gold passages of each task.

    If the model answers a question right without its gold passages, it knew the answer before. Direct
    searches hide no passages.
    """

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher

    @property
    def fingerprint(self) -> str:
        """The inner searcher's fingerprint with the suffix -without-gold."""
        return f"{self.searcher.fingerprint}-without-gold"

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Passes the queries on (see `Searcher.search`)."""
        return self.searcher.search(queries, k)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Passes the query on (see `Searcher.asearch`)."""
        return await self.searcher.asearch(query, k)

    def page(self, title: str) -> Page | None:
        """Returns the page with this title; None if the inner searcher opens no pages."""
        return self.searcher.page(title) if isinstance(self.searcher, PageReader) else None

    async def apage(self, title: str) -> Page | None:
        """Runs `page` without blocking the event loop."""
        return await self.searcher.apage(title) if isinstance(self.searcher, PageReader) else None


def search_for_task(task: Task, searcher: Searcher) -> Searcher:
    """Returns the search for one task.

    It hides the task's own article if the task has `source_hidden`, and all gold passages of the task in a
    `WithoutGold` search.
    """
    if isinstance(searcher, WithoutGold):
        if isinstance(task, MaskedTask):
            return HiddenSource(searcher.searcher, source_titles(task), [task.doc_id])
        return HiddenSource(searcher.searcher, task.supporting_titles, task.supporting_passages)
    if isinstance(task, MaskedTask) and task.source_hidden:
        return HiddenSource(searcher, [task.title], [task.doc_id])
    return searcher
