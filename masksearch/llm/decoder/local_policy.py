"""A checkpoint in this process as a policy: sessions on the slots of our own decoding engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from masksearch.llm.base import Message, Sampling
from masksearch.llm.decoder.engine import Engine, Stream
from masksearch.llm.token_session import (
    Ending,
    TokenPolicy,
    TokenSession,
    Written,
    decode,
    encode_prompt,
    end_tokens,
)
from masksearch.types import Hit


class LocalPolicy(TokenPolicy):
    """Sessions on an engine with `slots` slots of up to `max_length` tokens."""

    def __init__(
        self, model: Any, tokenizer: Any, name: str, slots: int = 48, max_length: int = 1024
    ) -> None:
        super().__init__(tokenizer, end_tokens(model, tokenizer), name)
        self.engine = Engine(model, slots, max_length)

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> LocalSession:
        """Starts a session; waits for a free slot."""
        prompt = encode_prompt(self.tokenizer, messages)
        stream = await self.engine.admit(sampling.temperature, sampling.seed)
        stream.pending = list(prompt)
        return LocalSession(self, stream, prompt, sampling)


class Pieces:
    """Passes on the text of a growing list of tokens piece by piece.

    A character may take several tokens, so a piece that ends in the middle of one waits for the next token.
    """

    def __init__(self, tokenizer: Any, show: Callable[[str], None]) -> None:
        self._tokenizer, self._show = tokenizer, show
        self._shown = ""

    def show(self, ids: Sequence[int], whole: bool = False) -> None:
        """Passes on what is new; with `whole`, also the half of a character."""
        text = decode(self._tokenizer, ids)
        if (whole or not text.endswith("\ufffd")) and len(text) > len(self._shown):
            self._show(text[len(self._shown) :])
            self._shown = text


class LocalSession(TokenSession):
    """A session whose keys and values are in one slot of the engine."""

    policy: LocalPolicy

    def __init__(self, policy: LocalPolicy, stream: Stream, prompt: list[int], sampling: Sampling) -> None:
        super().__init__(policy, prompt, sampling)
        self.stream = stream
        self.on_text: Callable[[str], None] | None = None

    async def write(self, limit: int, stop: Sequence[str]) -> Written:
        """Samples tokens one by one. After each token, tests whether the text ends there
        (`TokenPolicy.ended`)."""
        ids: list[int] = []
        finish: Ending | None = None
        pieces = Pieces(self.policy.tokenizer, self.on_text) if self.on_text is not None else None

        def accept(token: int) -> bool:
            nonlocal finish
            ids.append(token)
            finish = self.policy.ended(ids, stop)
            if pieces is not None:
                pieces.show(ids, finish is not None)
            return finish is not None

        # written, logprobs: (tokens,) each
        written, logprobs = await self.policy.engine.generate(self.stream, limit, accept)
        if pieces is not None:
            pieces.show(written, whole=True)
        return written, logprobs, finish

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text as plain tokens; the engine prefills them into the slot before the next turn."""
        count = await super().append(text, hits)
        self.stream.pending += self.record.ids[len(self.record.ids) - count :]
        return count

    def close(self) -> None:
        """Frees the session's slot in the engine."""
        self.policy.engine.release(self.stream)
