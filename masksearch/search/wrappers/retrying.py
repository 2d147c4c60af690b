"""Retries searches that failed for a reason that may pass, with random pauses of growing length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from masksearch.errors import MissingExtraError, SearchError, SearchUnavailableError
from masksearch.protocols import Searcher
from masksearch.search.wrappers.base import Wrapper
from masksearch.types import Hit, Page

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Limits of the random pauses between two attempts, in seconds."""
PATIENCE = 60.0
"""Longest pause, in seconds, that a back end may request. If it requests a longer pause, the search fails."""


class Retrying(Wrapper):
    """Retries failed searches up to `retries` times, after pauses of at least `pause` seconds.

    If the back end requests a pause (Retry-After), this pause replaces the random pause. A batch of queries
    is searched together at first. If it fails, the failing queries are unknown, so each query is searched
    alone, with its own retries.
    """

    def __init__(
        self,
        inner: Searcher,
        retries: int,
        pause: float = FIRST_PAUSE,
        sleep: Callable[[float], None] = time.sleep,
        asleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(inner)
        self.retries, self.pause = retries, pause
        self._sleep, self._asleep = sleep, asleep

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches with retries (see `Searcher.search`). Raises SearchUnavailableError after the last
        retry."""
        failures: list[SearchUnavailableError] = []
        if len(queries) > 1:
            try:
                return self.inner.search(queries, k)
            except SearchUnavailableError as error:
                failures.append(error)

        def one(query: str) -> list[Hit]:
            # The failed batch counts as the first attempt of the first query, so that a pause follows it.
            if failures:
                raise failures.pop()
            return self.inner.search([query], k)[0]

        return [self._retry(one, query) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Searches one query with retries (see `Searcher.asearch`)."""
        return await self._aretry(self.inner.asearch, query, k)

    def _page(self, title: str) -> Page | None:
        return self._retry(self.pages.page, title)

    async def _apage(self, title: str) -> Page | None:
        return await self._aretry(self.pages.apage, title)

    def _retry(self, function: Callable[..., T], *arguments: Any) -> T:
        try:
            found: T = _tenacity().Retrying(sleep=self._sleep, **self._options())(function, *arguments)
            return found
        except SearchUnavailableError as error:
            raise self._given_up(error) from error

    async def _aretry(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        try:
            found: T = await _tenacity().AsyncRetrying(sleep=self._asleep, **self._options())(
                function, *arguments
            )
            return found
        except SearchUnavailableError as error:
            raise self._given_up(error) from error

    def _options(self) -> dict[str, Any]:
        tenacity = _tenacity()
        growing = tenacity.wait_random_exponential(
            multiplier=2 * self.pause, min=self.pause, max=LONGEST_PAUSE
        )

        def wait(state: Any) -> float:
            # A requested pause of 0 seconds is ignored, because it would use up all retries at once.
            return float(state.outcome.exception().retry_after or growing(state))

        def may_pass(error: BaseException) -> bool:
            return isinstance(error, SearchUnavailableError) and (error.retry_after or 0) <= PATIENCE

        return {
            "retry": tenacity.retry_if_exception(may_pass),
            "stop": tenacity.stop_after_attempt(1 + self.retries),
            "wait": wait,
            "reraise": True,
        }

    def _given_up(self, error: SearchUnavailableError) -> SearchError:
        if (error.retry_after or 0) > PATIENCE:
            return SearchUnavailableError(
                f"{error} (It asks for a pause of {error.retry_after:.0f} s, which is longer than the "
                f"limit of {PATIENCE:.0f} s.)",
                error.retry_after,
            )
        times = f"{1 + self.retries} time{'s' if self.retries else ''}"
        return SearchUnavailableError(f"{error} (Tried {times}.)", error.retry_after)


def _tenacity() -> Any:
    try:
        import tenacity
    except ModuleNotFoundError as error:
        raise MissingExtraError("tenacity", "web", "Retrying searches") from error
    return tenacity
