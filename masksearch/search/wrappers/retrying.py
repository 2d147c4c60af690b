"""Searches that failed in a way that may pass are tried again, with growing pauses of random length."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from masksearch.errors import MissingExtraError, SearchError, SearchUnavailableError
from masksearch.protocols import Searcher
from masksearch.search.wrappers.base import Wrapper
from masksearch.types import Hit, Page

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds."""
PATIENCE = 60.0
"""Seconds that are waited where the back end says how long; where it says longer, the search has failed."""


class Retrying(Wrapper):
    """Tries up to `retries` times more. Several queries are asked one by one, so that only what failed is asked again."""

    def __init__(self, inner: Searcher, retries: int, pause: float = FIRST_PAUSE) -> None:
        super().__init__(inner)
        self.retries, self.pause = retries, pause

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """As `Searcher.search`."""
        if len(queries) > 1:
            try:
                return self.inner.search(queries, k)
            except SearchUnavailableError as error:
                if (error.retry_after or 0) > PATIENCE:
                    raise self._given_up(error) from error
                time.sleep(self.pause if error.retry_after is None else error.retry_after)
        return [self._again(self._one, query, k) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`."""
        return await self._aagain(self.inner.asearch, query, k)

    def _one(self, query: str, k: int) -> list[Hit]:
        return self.inner.search([query], k)[0]

    def _page(self, title: str) -> Page | None:
        return self._again(self.pages.page, title)

    async def _apage(self, title: str) -> Page | None:
        return await self._aagain(self.pages.apage, title)

    def _again(self, function: Callable[..., T], *arguments: Any) -> T:
        try:
            found: T = _tenacity().Retrying(**self._options())(function, *arguments)
            return found
        except SearchUnavailableError as error:
            raise self._given_up(error) from error

    async def _aagain(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        try:
            found: T = await _tenacity().AsyncRetrying(**self._options())(function, *arguments)
            return found
        except SearchUnavailableError as error:
            raise self._given_up(error) from error

    def _options(self) -> dict[str, Any]:
        tenacity = _tenacity()
        growing = tenacity.wait_random_exponential(multiplier=self.pause, max=LONGEST_PAUSE)

        def wait(state: Any) -> float:
            told = state.outcome.exception().retry_after
            return float(growing(state)) if told is None else float(told)

        return {
            "retry": tenacity.retry_if_exception(lambda error: isinstance(error, SearchUnavailableError) and (error.retry_after or 0) <= PATIENCE),
            "stop": tenacity.stop_after_attempt(1 + self.retries),
            "wait": wait,
            "reraise": True,
        }

    def _given_up(self, error: SearchUnavailableError) -> SearchError:
        if (error.retry_after or 0) > PATIENCE:
            return SearchUnavailableError(f"{error} (It asks for a pause of {error.retry_after:.0f} s, which is not waited for.)", error.retry_after)
        return SearchUnavailableError(f"{error} (Tried {1 + self.retries} times.)", error.retry_after) if self.retries else error


def _tenacity() -> Any:
    try:
        import tenacity
    except ModuleNotFoundError as error:
        raise MissingExtraError("tenacity", "web", "Trying searches again") from error
    return tenacity
