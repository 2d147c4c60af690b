"""A run's searches as a fixture: written down as they are asked, and answered from the record later, without any network.

    {"format": "masksearch-searches/1", "retriever": FINGERPRINT}
    {"query": .., "k": .., "hits": [..]}        or "error": what the failure said
    {"title": .., "page": {..} or null}

The same query with the same k is written once. A record answers only what stands in it: with another k, some back ends rank otherwise.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from masksearch.errors import DataError, SearchError
from masksearch.files import append_json_lines, open_text, read_appended
from masksearch.protocols import Searcher
from masksearch.search.threads import in_thread
from masksearch.search.wrappers.answers import HITS, PAGE
from masksearch.search.wrappers.base import Wrapper
from masksearch.types import Hit, Page

SEARCHES_FORMAT: Final = "masksearch-searches/1"
Key = tuple[str, int]
"""A query and its k; a title and 0."""


class Recorder(Wrapper):
    """Asks the searcher inside and writes down what it says. Several threads may ask; several processes may not share one file."""

    def __init__(self, inner: Searcher, path: str | Path) -> None:
        super().__init__(inner)
        self.path = Path(path)
        self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        rows = read_appended(self.path)
        head = {"format": SEARCHES_FORMAT, "retriever": self.inner.fingerprint}
        if rows and rows[0] != head:
            told = f"of the search {rows[0].get('retriever')}" if rows[0].get("format") == SEARCHES_FORMAT else "of something else"
            raise DataError(f"{self.path} holds a record {told}, not of {self.inner.fingerprint}; name another file.")
        if not rows:
            append_json_lines(self.path, [head])
        self._known = {key for row in rows[1:] if (key := _key(row))}

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`; one query after the other, so that each failure is that of one query."""
        return [self._search(query, k) for query in queries]

    def _search(self, query: str, k: int) -> list[Hit]:
        try:
            hits = self.inner.search([query], k)[0]
        except SearchError as error:
            self._write((query, k), {"query": query, "k": k, "error": str(error)})
            raise
        self._write((query, k), {"query": query, "k": k, "hits": HITS.dump_python(hits, mode="json", exclude_defaults=True)})
        return hits

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`."""
        try:
            hits = await self.inner.asearch(query, k)
        except SearchError as error:
            await in_thread(self._write, (query, k), {"query": query, "k": k, "error": str(error)})
            raise
        row = {"query": query, "k": k, "hits": HITS.dump_python(hits, mode="json", exclude_defaults=True)}
        await in_thread(self._write, (query, k), row)
        return hits

    def _page(self, title: str) -> Page | None:
        return self._noted(title, self.pages.page(title))

    async def _apage(self, title: str) -> Page | None:
        return await in_thread(self._noted, title, await self.pages.apage(title))

    def _noted(self, title: str, page: Page | None) -> Page | None:
        self._write((title, 0), {"title": title, "page": PAGE.dump_python(page, mode="json", exclude_defaults=True)})
        return page

    def _write(self, key: Key, row: dict[str, Any]) -> None:
        with self._lock:
            # A failure may pass: what it was answered with afterwards is written as well, and counts.
            if key not in self._known:
                append_json_lines(self.path, [row])
            if "error" not in row:
                self._known.add(key)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in super().__getstate__().items() if name not in ("_lock", "_known")}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self._open()


class Replay:
    """A `Searcher` and `PageReader` that answers from a record, and asks nothing else."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open_text(self.path) as stream:
            rows = [row for line in stream if (row := _row(line))]
        if not rows or rows[0].get("format") != SEARCHES_FORMAT:
            raise DataError(f"{self.path} is no record of searches (its first line does not say {SEARCHES_FORMAT}); make one with --search.record.")
        self._fingerprint = str(rows[0].get("retriever", ""))
        self._rows = {key: row for row in rows[1:] if (key := _key(row))}

    @property
    def fingerprint(self) -> str:
        """That of the search that was recorded."""
        return self._fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """What was answered then. Raises SearchError: as it was then, or for a query that is not in the record."""
        return [self._search(query, k) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """`search` for one query."""
        return self._search(query, k)

    def page(self, title: str) -> Page | None:
        """What was opened then. Raises SearchError for a title that is not in the record."""
        row = self._rows.get((title, 0))
        if row is None:
            raise SearchError(f"The page '{title}' is not in the record {self.path}; record the run again with --search.record.")
        return PAGE.validate_python(row["page"])

    async def apage(self, title: str) -> Page | None:
        """As `page`."""
        return self.page(title)

    def _search(self, query: str, k: int) -> list[Hit]:
        row = self._rows.get((query, k))
        if row is None:
            raise SearchError(f"The query '{query}' (k = {k}) is not in the record {self.path}; record the run again with --search.record.")
        if "error" in row:
            raise SearchError(str(row["error"]))
        try:
            return HITS.validate_python(row["hits"])
        except (KeyError, ValidationError) as error:
            raise SearchError(f"The answer to '{query}' in the record {self.path} is damaged; record the run again with --search.record.") from error

    def __reduce__(self) -> tuple[type[Replay], tuple[Path]]:
        return Replay, (self.path,)


def _row(line: str) -> dict[str, Any]:
    """A line of a record; a torn one is nothing."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _key(row: dict[str, Any]) -> Key | None:
    if "query" in row and isinstance(row.get("k"), int):
        return str(row["query"]), row["k"]
    return (str(row["title"]), 0) if "title" in row else None
