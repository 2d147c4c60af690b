"""Adds noise to search results, for robustness studies and curricula.

All random numbers come from generators seeded with the settings' seed and the query, so the same query
always gets the same noise, in every process.
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
"""Distractors come from ranks k + 1 to DEPTH * k: these passages still share words with the query."""


class Noisy(Wrapper):
    """Makes searches fail, replaces results by distractors, drops results and shuffles results.

    Each result keeps its score, so the scores may no longer be in descending order.
    """

    def __init__(self, inner: Searcher, settings: NoiseSettings) -> None:
        super().__init__(inner)
        self.settings = settings

    @property
    def fingerprint(self) -> str:
        """The inner searcher's fingerprint, with a hash of the settings if there is noise."""
        if self._silent:
            return self.inner.fingerprint
        return f"{self.inner.fingerprint}-noisy-{hash_json(self.settings.model_dump(mode='json'))[:8]}"

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches with noise (see `Searcher.search`). Raises SearchError if the noise fails a query."""
        for query in queries:
            self._fail(query)
        return [
            self._disturb(query, hits, k)
            for query, hits in zip(queries, self.inner.search(queries, self._depth(k)), strict=True)
        ]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query."""
        self._fail(query)
        return self._disturb(query, await self.inner.asearch(query, self._depth(k)), k)

    @property
    def _silent(self) -> bool:
        noise = self.settings
        return not (noise.fail or noise.distract or noise.drop or noise.shuffle)

    def _depth(self, k: int) -> int:
        return DEPTH * k if self.settings.distract else k

    def _draw(self, query: str, what: str) -> Random:
        # Seeded with bytes: a model can generate half of a surrogate pair, which strict UTF-8 cannot encode.
        return Random(f"{self.settings.seed}:{what}:{query}".encode("utf-8", "surrogatepass"))

    def _fail(self, query: str) -> None:
        if self._draw(query, "fail").random() < self.settings.fail:
            raise SearchError(
                f"The search for '{query[:80]}' failed on purpose (search.noise.fail is "
                f"{self.settings.fail})."
            )

    def _disturb(self, query: str, hits: Sequence[Hit], k: int) -> list[Hit]:
        noise = self.settings
        shown, spare = list(hits[:k]), list(hits[k:])
        draw = self._draw(query, "distract")
        for place in range(len(shown)):
            # Both numbers are drawn for every result, so that the noise of one result does not depend on
            # other results.
            chance, which = draw.random(), draw.random()
            if chance < noise.distract and spare:
                shown[place] = spare.pop(int(which * len(spare)))
        draw = self._draw(query, "drop")
        shown = [hit for hit in shown if draw.random() >= noise.drop]
        draw = self._draw(query, "shuffle")
        if draw.random() < noise.shuffle:
            draw.shuffle(shown)
        return shown
