"""A search made worse on purpose, for studies of robustness and for curricula.

All chances are drawn from a generator seeded with the settings' seed and the query: the same query meets the same noise, whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from masksearch.errors import SearchError
from masksearch.protocols import Searcher
from masksearch.runtime.files import hash_json
from masksearch.search.settings import NoiseSettings
from masksearch.search.wrappers.base import Wrapper
from masksearch.types import Hit

DEPTH = 4
"""Distractors are taken from ranks k + 1 to 4 k: passages that share words with the query, too."""


class Noisy(Wrapper):
    """Fails, swaps results for distractors, drops and shuffles them. Each keeps the score it had, so that scores need not fall any more."""

    def __init__(self, inner: Searcher, settings: NoiseSettings) -> None:
        super().__init__(inner)
        self.settings = settings

    @property
    def fingerprint(self) -> str:
        """The searcher's own, and a hash of the noise, if there is any."""
        if self._silent:
            return self.inner.fingerprint
        return f"{self.inner.fingerprint}-noisy-{hash_json(self.settings.model_dump(mode='json'))[:8]}"

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`. Raises SearchError where a query is to fail."""
        for query in queries:
            self._fail(query)
        return [
            self._disturb(query, hits, k)
            for query, hits in zip(queries, self.inner.search(queries, self._depth(k)), strict=True)
        ]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `search`, for one query."""
        self._fail(query)
        return self._disturb(query, await self.inner.asearch(query, self._depth(k)), k)

    @property
    def _silent(self) -> bool:
        noise = self.settings
        return not (noise.fail or noise.distract or noise.drop or noise.shuffle)

    def _depth(self, k: int) -> int:
        return DEPTH * k if self.settings.distract else k

    def _draw(self, query: str, what: str) -> Random:
        # Of bytes, for a query may hold half a surrogate pair, which a model can write and UTF-8 cannot.
        return Random(f"{self.settings.seed}:{what}:{query}".encode("utf-8", "surrogatepass"))

    def _fail(self, query: str) -> None:
        if self._draw(query, "fail").random() < self.settings.fail:
            raise SearchError(
                f"The search for '{query[:80]}' failed on purpose (search.noise.fail is {self.settings.fail})."
            )

    def _disturb(self, query: str, hits: Sequence[Hit], k: int) -> list[Hit]:
        noise = self.settings
        shown, spare = list(hits[:k]), list(hits[k:])
        draw = self._draw(query, "distract")
        for place in range(len(shown)):
            # Both numbers are drawn in any case: the noise of one place does not depend on another's.
            chance, which = draw.random(), draw.random()
            if chance < noise.distract and spare:
                shown[place] = spare.pop(int(which * len(spare)))
        draw = self._draw(query, "drop")
        shown = [hit for hit in shown if draw.random() >= noise.drop]
        draw = self._draw(query, "shuffle")
        if draw.random() < noise.shuffle:
            draw.shuffle(shown)
        return shown
