"""Searches that failed in a way that may pass are tried again, with growing pauses of random length."""

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
"""Seconds."""
PATIENCE = 60.0
"""Seconds that are waited where the back end says how long; where it says longer, the search has failed."""


class Retrying(Wrapper):
    """Tries up to `retries` times more, after `pause` seconds at least, or as many as the back end asks for.

    Several queries are asked together; where that fails, nobody knows which of them are to blame, and each is asked by itself, with tries of its own.
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
        """As `Searcher.search`."""
        failures: list[SearchUnavailableError] = []
        if len(queries) > 1:
            try:
                return self.inner.search(queries, k)
            except SearchUnavailableError as error:
                failures.append(error)

        def one(query: str) -> list[Hit]:
            if failures:  # what was tried together was the first query's first try: the pause comes after it
                raise failures.pop()
            return self.inner.search([query], k)[0]

        return [self._again(one, query) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """As `Searcher.asearch`."""
        return await self._aagain(self.inner.asearch, query, k)

    def _page(self, title: str) -> Page | None:
        return self._again(self.pages.page, title)

    async def _apage(self, title: str) -> Page | None:
        return await self._aagain(self.pages.apage, title)

    def _again(self, function: Callable[..., T], *arguments: Any) -> T:
        try:
            found: T = _tenacity().Retrying(sleep=self._sleep, **self._options())(function, *arguments)
            return found
        except SearchUnavailableError as error:
            raise self._given_up(error) from error

    async def _aagain(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
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
            # A pause of 0 seconds would use up all tries at once.
            return float(state.outcome.exception().retry_after or growing(state))

        return {
            "retry": tenacity.retry_if_exception(
                lambda error: (
                    isinstance(error, SearchUnavailableError) and (error.retry_after or 0) <= PATIENCE
                )
            ),
            "stop": tenacity.stop_after_attempt(1 + self.retries),
            "wait": wait,
            "reraise": True,
        }

    def _given_up(self, error: SearchUnavailableError) -> SearchError:
        if (error.retry_after or 0) > PATIENCE:
            return SearchUnavailableError(
                f"{error} (It asks for a pause of {error.retry_after:.0f} s, which is not waited for.)",
                error.retry_after,
            )
        return SearchUnavailableError(
            f"{error} (Tried {1 + self.retries} time{'s' if self.retries else ''}.)", error.retry_after
        )


def _tenacity() -> Any:
    try:
        import tenacity
    except ModuleNotFoundError as error:
        raise MissingExtraError("tenacity", "web", "Trying searches again") from error
    return tenacity
