"""A search in which some articles do not exist.

The passage a RAMP task was made of lies in the index, and is nearly always found: a short cut, and practice in copying. A task with
`source_hidden` is searched without its own article, whoever searches: the checks, the teacher, a rollout, an evaluation (`as_seen_by`).

The other results keep their order and scores, and there are as many of them as the rest of the index allows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence

from masksearch.protocols import PageReader, Searcher
from masksearch.search.index.storage import page_key
from masksearch.types import Hit, MaskedTask, Page, Passage, Task

SPARE = 8
"""Results asked for beyond those wanted, at first; four times as many each time they do not suffice."""


class HiddenSource:
    """A `Searcher` without the passages of some articles: by their titles (as `page_key` compares them) or their documents' ids.

    A server shows titles made harmless, and no document's id: a title is hidden in that form, too.

    An empty title names no article: untitled documents are hidden by id alone.
    """

    def __init__(self, searcher: Searcher, titles: Collection[str], doc_ids: Collection[str] = ()) -> None:
        self.searcher = searcher
        self.titles = frozenset(filter(None, map(page_key, titles)))
        self.doc_ids = frozenset(doc_ids)

    @property
    def fingerprint(self) -> str:
        """The searcher's own, and a hash of what is hidden."""
        hidden = json.dumps([sorted(self.titles), sorted(self.doc_ids)])
        return f"{self.searcher.fingerprint}-without-{hashlib.sha256(hidden.encode()).hexdigest()[:8]}"

    def hides(self, passage: Passage) -> bool:
        """Whether a passage is of a hidden article."""
        return passage.doc_id in self.doc_ids or page_key(passage.title) in self.titles

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`, among what is not hidden."""
        answers: list[list[Hit]] = [[] for _ in queries]
        places, asked = list(range(len(queries))) if k > 0 else [], k + SPARE
        while places:
            found = self.searcher.search([queries[place] for place in places], asked)
            for place, hits in zip(places, found, strict=True):
                answers[place] = self._seen(hits, k)
            # Fewer results than asked for: there are no others.
            places = [
                place
                for place, hits in zip(places, found, strict=True)
                if len(answers[place]) < k and len(hits) >= asked
            ]
            asked *= 4
        return answers

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`, among what is not hidden."""
        asked = k + SPARE
        while k > 0:
            hits = await self.searcher.asearch(query, asked)
            seen = self._seen(hits, k)
            if len(seen) == k or len(hits) < asked:
                return seen
            asked *= 4
        return []

    def page(self, title: str) -> Page | None:
        """As `PageReader.page`, where the searcher below is one; None for a hidden article."""
        return self._page(self.searcher.page(title)) if isinstance(self.searcher, PageReader) else None

    async def apage(self, title: str) -> Page | None:
        """As `page`."""
        return self._page(await self.searcher.apage(title)) if isinstance(self.searcher, PageReader) else None

    def _page(self, page: Page | None) -> Page | None:
        return (
            None
            if page is None or page.doc_id in self.doc_ids or page_key(page.title) in self.titles
            else page
        )

    def _seen(self, hits: Sequence[Hit], k: int) -> list[Hit]:
        return [hit for hit in hits if not self.hides(hit.passage)][:k]


class WithoutGold:
    """A search that `as_seen_by` turns, for each task, into one without the gold passages of that task: what is still answered right was known before.

    Asked directly it hides nothing.
    """

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher

    @property
    def fingerprint(self) -> str:
        """The searcher's own, marked."""
        return f"{self.searcher.fingerprint}-without-gold"

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`."""
        return self.searcher.search(queries, k)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`."""
        return await self.searcher.asearch(query, k)

    def page(self, title: str) -> Page | None:
        """As `PageReader.page`, where the searcher below is one."""
        return self.searcher.page(title) if isinstance(self.searcher, PageReader) else None

    async def apage(self, title: str) -> Page | None:
        """As `page`."""
        return await self.searcher.apage(title) if isinstance(self.searcher, PageReader) else None


def as_seen_by(task: Task, searcher: Searcher) -> Searcher:
    """The search as it is for one task: without its own article, where the task says so, or without all its gold passages (`WithoutGold`)."""
    if isinstance(searcher, WithoutGold):
        if isinstance(task, MaskedTask):
            return HiddenSource(searcher.searcher, [task.title], [task.doc_id])
        return HiddenSource(searcher.searcher, task.supporting_titles, task.supporting_passages)
    if isinstance(task, MaskedTask) and task.source_hidden:
        return HiddenSource(searcher, [task.title], [task.doc_id])
    return searcher
