"""The user's own search: a function `search(query, k)` in a file of Python, named `FILE.py:NAME`.

It returns the best passages first. A passage is a dict with `title` and `text` (optional: `id`), a Passage,
or a Hit.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import SearchError, SearchUnavailableError
from masksearch.runtime import files
from masksearch.runtime.own import load_own
from masksearch.types import Hit, Passage


class OwnSearcher:
    """A `Searcher` of the user's own function. The fingerprint contains a hash of the function's file."""

    def __init__(self, spec: str) -> None:
        """Raises UsageError if there is no such function."""
        self.spec = spec
        self._search: Callable[[str, int], Iterable[Any]] = load_own(spec)
        path, _, name = spec.rpartition(":")
        self.fingerprint = f"own-{name}-{files.hash_file(Path(path))[:8]}"

    def __reduce__(self) -> tuple[type[OwnSearcher], tuple[str]]:
        """Pickles the function's name, so that a worker process loads it again."""
        return type(self), (self.spec,)

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns the best `k` passages of each query. Raises SearchError if the function fails."""
        return [self._one(query, k) if query.strip() and k > 0 else [] for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query in a thread."""
        return (await asyncio.to_thread(self.search, [query], k))[0]

    def _one(self, query: str, k: int) -> list[Hit]:
        try:
            found = list(self._search(query, k))[:k]
        except (TimeoutError, ConnectionError) as error:
            raise SearchUnavailableError(f"The search {self.spec} failed: {error}.") from error
        except SearchError:
            raise
        except Exception as error:
            raise SearchError(f"The search {self.spec} failed ({type(error).__name__}: {error}).") from error
        return [self._hit(value, 1.0 / rank) for rank, value in enumerate(found, 1)]

    def _hit(self, value: Any, score: float) -> Hit:
        if isinstance(value, Hit):
            return value
        if isinstance(value, Passage):
            return Hit(passage=value, score=score)
        if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
            raise SearchError(
                f"The search {self.spec} returned a {type(value).__name__}; return dicts with title and text."
            )
        title, text = str(value.get("title", "")), str(value["text"])
        made = hashlib.sha256(f"{title}\n{text}".encode("utf-8", "replace")).hexdigest()[:12]
        number = str(value.get("id") or made)
        return Hit(
            passage=Passage(id=number, doc_id=number, title=title, text=text),
            score=float(value.get("score", score)),
        )
