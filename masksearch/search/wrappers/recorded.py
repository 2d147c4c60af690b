"""Records the searches of a run in a file, and replays them from this file without a network.

    {"format": "masksearch-searches/1", "retriever": FINGERPRINT}
    {"query": .., "k": .., "hits": [..]}
    {"title": .., "page": {..} or null}

A failed search has, in place of its results, {"error": message, "kind": "SearchError" or
"SearchUnavailableError"}. Each search is written once. If it failed at first and succeeded later, it is
written a second time. A replay answers only recorded searches, and only with the same k, because some back
ends rank differently for another k.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from masksearch.errors import DataError, SearchError, SearchUnavailableError, UsageError
from masksearch.protocols import Searcher
from masksearch.runtime.files import PACKED, append_json_lines, open_binary, read_appended
from masksearch.search.batching import in_thread
from masksearch.search.wrappers.base import HITS, PAGE, Wrapper
from masksearch.text.display import encodable
from masksearch.types import Hit, Page

T = TypeVar("T")
SEARCHES_FORMAT: Final = "masksearch-searches/1"
BEGINNING = f'{{"format": "{SEARCHES_FORMAT}"'.encode()
"""First bytes of every record."""
Row = dict[str, Any]
Key = tuple[str, int | None]
"""Identifies a recorded call: (query, k) for a search, (title, None) for an opened page."""


class Recorder(Wrapper):
    """Records all searches of the inner searcher. Several threads may use it; several processes must not
    share a file.

    Raises DataError if the file cannot be written or is the record of another search, and UsageError for a
    compressed file name such as `x.gz`.
    """

    def __init__(self, inner: Searcher, path: str | Path) -> None:
        super().__init__(inner)
        self.path = Path(path)
        self._open()

    def _open(self) -> None:
        if self.path.suffix in PACKED:
            raise UsageError(
                "A record is written line by line and cannot be compressed meanwhile; leave "
                f"{self.path.suffix} out of {self.path}, and compress the file afterwards."
            )
        self._lock = threading.Lock()
        try:
            rows = read_appended(self.path)
            lines = [] if rows or not self.path.exists() else self.path.read_bytes().splitlines()
        except OSError as error:
            raise self._unwritable(error) from error
        head = {"format": SEARCHES_FORMAT, "retriever": self.inner.fingerprint}
        if rows and rows[0] != head:
            is_record = rows[0].get("format") == SEARCHES_FORMAT
            other = f"of the search {rows[0].get('retriever')}" if is_record else "of something else"
            raise DataError(
                f"{self.path} holds a record {other}, not of {self.inner.fingerprint}; name another file."
            )
        # A file without complete rows is continued only if it holds the torn first line of a killed run.
        if not all(line.startswith(BEGINNING) or BEGINNING.startswith(line) for line in lines):
            raise DataError(
                f"{self.path} holds something other than a record of searches; name another file."
            )
        if not rows:
            self._append(head)
        self._written = {key: "error" not in row for row in rows[1:] if (key := _key(row))}
        """Key -> whether the search was last recorded with an answer (True) or as failed (False)."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches the queries one by one (see `Searcher.search`), so that a failure belongs to one query."""
        return [self._search(query, k) for query in queries]

    def _search(self, query: str, k: int) -> list[Hit]:
        request = _search_row(query, k)
        try:
            hits = self.inner.search([query], k)[0]
        except SearchError as error:
            self._write(request | _failure(error))
            raise
        self._write(request | _found("hits", hits, HITS))
        return hits

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Searches one query (see `Searcher.asearch`)."""
        request = _search_row(query, k)
        try:
            hits = await self.inner.asearch(query, k)
        except SearchError as error:
            await in_thread(self._write, request | _failure(error))
            raise
        await in_thread(self._write, request | _found("hits", hits, HITS))
        return hits

    def _page(self, title: str) -> Page | None:
        request = _page_row(title)
        try:
            page = self.pages.page(title)
        except SearchError as error:
            self._write(request | _failure(error))
            raise
        self._write(request | _found("page", page, PAGE))
        return page

    async def _apage(self, title: str) -> Page | None:
        request = _page_row(title)
        try:
            page = await self.pages.apage(title)
        except SearchError as error:
            await in_thread(self._write, request | _failure(error))
            raise
        await in_thread(self._write, request | _found("page", page, PAGE))
        return page

    def _write(self, row: Row) -> None:
        key, answered = _key(row), "error" not in row
        assert key is not None
        with self._lock:
            # An answer that follows a recorded failure is recorded too; the replay then uses the answer.
            if key not in self._written or (answered and not self._written[key]):
                self._append(row)
                self._written[key] = answered

    def _append(self, row: Row) -> None:
        try:
            append_json_lines(self.path, [row])
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> DataError:
        # This is not a SearchError, because a run continues after failed searches and would end with an
        # incomplete record.
        return DataError(
            f"The record {self.path} cannot be written ({error.strerror or error}); name another file, or "
            "free some disk space."
        )

    def __getstate__(self) -> dict[str, object]:
        return {
            name: value for name, value in super().__getstate__().items() if name not in ("_lock", "_written")
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self._open()


class Replay:
    """A `Searcher` and `PageReader` that answers from a record. Raises DataError if the file is not a
    record."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # The file is read as bytes, because a killed run may have torn a line in the middle of a character.
        with open_binary(self.path) as stream:
            rows = [row for line in stream if (row := _row(line))]
        if not rows or rows[0].get("format") != SEARCHES_FORMAT:
            raise DataError(
                f"{self.path} is not a record of searches (its first line does not name the format "
                f"{SEARCHES_FORMAT}); make one with --search.record."
            )
        self._fingerprint = str(rows[0].get("retriever", ""))
        self._rows = {key: row for row in rows[1:] if (key := _key(row))}

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the recorded search."""
        return self._fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns recorded results. Raises SearchError if the recorded search failed or a query is not
        recorded."""
        return [
            self._answer(_search_row(query, k), f"query '{query}' (k = {k})", "hits", HITS)
            for query in queries
        ]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query."""
        return self.search([query], k)[0]

    def page(self, title: str) -> Page | None:
        """Returns the recorded page. Raises SearchError if the recorded lookup failed or the page is not
        recorded."""
        return self._answer(_page_row(title), f"page '{title}'", "page", PAGE)

    async def apage(self, title: str) -> Page | None:
        """Runs `page`, which never waits."""
        return self.page(title)

    def _answer(self, request: Row, what: str, field: str, kind: TypeAdapter[T]) -> T:
        key = _key(request)
        row = self._rows.get(key) if key else None
        if row is None:
            raise SearchError(
                f"The {what} is not in the record {self.path}; record the run again with --search.record."
            )
        if "error" in row:
            unavailable = row.get("kind") == SearchUnavailableError.__name__
            error_type = SearchUnavailableError if unavailable else SearchError
            raise error_type(str(row["error"]))
        try:
            return kind.validate_python(row[field])
        except (KeyError, ValidationError) as error:
            raise SearchError(
                f"The answer to the {what} in the record {self.path} is damaged; record the run again with "
                "--search.record."
            ) from error

    def __reduce__(self) -> tuple[type[Replay], tuple[Path]]:
        return Replay, (self.path,)


def _search_row(query: str, k: int) -> Row:
    # A model can generate half of a surrogate pair, which UTF-8 files cannot hold.
    return {"query": encodable(query), "k": k}


def _page_row(title: str) -> Row:
    return {"title": encodable(title)}


def _failure(error: SearchError) -> Row:
    kind = SearchUnavailableError if isinstance(error, SearchUnavailableError) else SearchError
    return {"error": encodable(str(error)), "kind": kind.__name__}


def _found(field: str, value: T, kind: TypeAdapter[T]) -> Row:
    return {field: kind.dump_python(value, mode="json", exclude_defaults=True)}


def _row(line: bytes) -> Row:
    """Parses a line of a record; returns {} for a torn line."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _key(row: Row) -> Key | None:
    if "query" in row and isinstance(row.get("k"), int):
        return str(row["query"]), row["k"]
    return (str(row["title"]), None) if "title" in row else None
