"""A limit on the time of one turn of a model behind an endpoint, retries included."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from masksearch.errors import ModelError
from masksearch.llm.base import Generation, Message, Policy, Sampling, Session, TokenRecord
from masksearch.types import Hit


class PatientPolicy:
    """A policy whose turns may take `seconds` seconds. A turn that takes longer raises ModelError and sets
    `expired`."""

    def __init__(self, inner: Policy, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds
        self.expired = False

    @property
    def name(self) -> str:
        """The inner policy's name."""
        return self._inner.name

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> Session:
        """Starts a session of the inner policy."""
        return _PatientSession(self, await self._inner.open(messages, sampling))

    async def within_limit(self, session: Session, stop: Sequence[str], max_tokens: int) -> Generation:
        """Returns the next turn of a session of the inner policy. Raises ModelError after the limit."""
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return await session.generate(stop, max_tokens)
        except TimeoutError:
            if not limit.expired():
                raise
            self.expired = True
            raise ModelError(
                f"{self.name} did not answer within {self._seconds:g} seconds; check that the endpoint runs, "
                "or allow more time (llm_timeout)."
            ) from None


class _PatientSession:
    def __init__(self, policy: PatientPolicy, inner: Session) -> None:
        self._policy, self._inner = policy, inner

    @property
    def record(self) -> TokenRecord | None:
        return self._inner.record

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        return await self._policy.within_limit(self._inner, stop, max_tokens)

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        return await self._inner.append(text, hits)

    def close(self) -> None:
        self._inner.close()
