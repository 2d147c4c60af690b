"""Caches search results on disk, shared by any number of processes (diskcache, which is SQLite).

Values are JSON as bytes. The cache never unpickles: a value of any other type counts as missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from masksearch.errors import MissingExtraError, SearchError
from masksearch.protocols import Searcher
from masksearch.search.wrappers.base import HITS, PAGE, Wrapper
from masksearch.types import Hit, Page

T = TypeVar("T")
FORMAT = 1
"""Part of every cache key; increased when older entries must not be used."""
MODE_RAW = 1
"""diskcache's mode of a value that is stored without conversion."""


class Cached(Wrapper):
    """Asks the inner searcher only for results that are not cached. Failures are not cached.

    `hits` and `misses` count lookups of this instance. Raises SearchError if the cache cannot be used,
    MissingExtraError if diskcache is not installed.
    """

    def __init__(self, inner: Searcher, folder: str | Path) -> None:
        super().__init__(inner)
        self.folder = Path(folder)
        self.hits = self.misses = 0
        self._store = _open(self.folder)
        self._prefix = f"{FORMAT}\n{inner.fingerprint}\n"

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns cached results and searches the remaining queries in one batch (see `Searcher.search`)."""
        keys = [self._key("search", query, k) for query in queries]
        known = {key: self._get(key, HITS) for key in keys}
        missing = {key: query for key, query in zip(keys, queries, strict=True) if not known[key]}
        if missing:
            for key, hits in zip(missing, self.inner.search(list(missing.values()), k), strict=True):
                known[key] = (self._put(key, hits, HITS),)
        return [known[key][0] for key in keys]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Searches one query (see `Searcher.asearch`). The lookup, well under 1 ms, blocks the loop."""
        key = self._key("search", query, k)
        known = self._get(key, HITS)
        return known[0] if known else self._put(key, await self.inner.asearch(query, k), HITS)

    def _page(self, title: str) -> Page | None:
        key = self._key("page", title, 0)
        known = self._get(key, PAGE)
        return known[0] if known else self._put(key, self.pages.page(title), PAGE)

    async def _apage(self, title: str) -> Page | None:
        key = self._key("page", title, 0)
        known = self._get(key, PAGE)
        return known[0] if known else self._put(key, await self.pages.apage(title), PAGE)

    def _key(self, what: str, text: str, k: int) -> bytes:
        key = f"{self._prefix}{what} {k}\n{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(key, digest_size=20).digest()

    def _get(self, key: bytes, kind: TypeAdapter[T]) -> tuple[T, ...]:
        """Returns the cached value in a tuple, or () on a miss. None is the value of a missing page."""
        try:
            found = self._store.get(key)
        except Exception as error:  # from SQLite, the file system, or an entry that was tampered with
            raise _damaged(self.folder, error) from error
        if isinstance(found, bytes):
            try:
                value = kind.validate_json(found)
            except ValidationError:
                pass
            else:
                self.hits += 1
                return (value,)
        self.misses += 1
        return ()

    def _put(self, key: bytes, value: T, kind: TypeAdapter[T]) -> T:
        try:
            self._store.set(key, kind.dump_json(value, exclude_defaults=True))
        except Exception as error:
            raise _damaged(self.folder, error) from error
        return value

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in super().__getstate__().items() if name != "_store"}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self._store = _open(self.folder)


def _open(folder: Path) -> Any:
    try:
        import diskcache
    except ModuleNotFoundError as error:
        raise MissingExtraError("diskcache", "web", "A cache of searches") from error

    class Plain(diskcache.Disk):  # type: ignore[misc]
        """Reads values without conversion; entries of other modes, such as pickles, count as missing."""

        def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
            return super().fetch(mode, filename, value, read) if mode in (0, MODE_RAW, 2) else None

    try:
        # A folder with files other than a cache is rejected, so that the cache never mixes with them.
        is_cache = folder.is_dir() and ((folder / "cache.db").exists() or not any(folder.iterdir()))
        if is_cache or not folder.exists():
            # Eviction and statistics are off, so that a lookup does not write to the disk.
            return diskcache.Cache(
                str(folder), disk=Plain, eviction_policy="none", statistics=0, cull_limit=0, size_limit=2**60
            )
    except Exception as error:
        raise _damaged(folder, error) from error
    raise SearchError(f"{folder} is not a folder of cached searches; choose another one.")


def _damaged(folder: Path, error: Exception) -> SearchError:
    reason = " ".join(str(error).split())[:200]
    return SearchError(
        f"The cache {folder} cannot be used ({type(error).__name__}: {reason}); make it writable, remove "
        "it, or choose another folder."
    )
