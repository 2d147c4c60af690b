"""Token in, token out: sessions that know their tokens, whoever decodes them.

A session's token record is what a trainer trains on; nothing is decoded and tokenised again. A tool's text is tokenised as plain text, so that nothing
in it can become a special token. Where a stretch of text ends is decided here, the same for every back end: with a token with which the model ends its
turn, or with the token that completes a stop string. Back ends: `llm.local` (slots in this process), `llm.vllm`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.types import Hit

Ending = Literal["end", "stop"]
Written = tuple[list[int], list[float], Literal["end", "stop", "full"] | None]
"""Token ids, their log-probabilities, and what ended them; None where `limit` did."""


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a chat, ready for the model's turn, by the tokenizer's chat template (or a plain one if it has none)."""
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    else:
        text = "".join(f"{message['content']}\n\n" for message in messages)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_plain(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a stretch of text in which nothing counts as a special token."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """Text of token ids; special tokens are left out, spaces stay as they are."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens with which a model ends its turn, by its tokenizer and its configurations."""
    configured = (model.config.eos_token_id, getattr(model.generation_config, "eos_token_id", None))
    ends = {
        tokenizer.eos_token_id,
        *(
            token
            for value in configured
            for token in (value if isinstance(value, (list, tuple)) else [value])
        ),
    }
    return frozenset(token for token in ends if token is not None)


class TokenPolicy:
    """What a policy that knows its tokens has: a tokenizer, and where a stretch ends."""

    def __init__(self, tokenizer: Any, end_ids: Iterable[int], name: str) -> None:
        self.tokenizer, self.end_ids, self.name = tokenizer, frozenset(end_ids), name
        pieces = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
        # A stop string can only end in a token that holds its last character: others need not be decoded.
        self.closing = frozenset(token for token, piece in enumerate(pieces) if ">" in piece)

    def ended(self, ids: Sequence[int], stop: Sequence[str]) -> Ending | None:
        """What ends a stretch with the last of its tokens; None where it goes on. Every stop string must end with `>`."""
        if ids[-1] in self.end_ids:
            return "end"
        if ids[-1] in self.closing:
            text = decode(self.tokenizer, ids)
            return "stop" if any(word in text for word in stop) else None
        return None


class TokenSession(ABC):
    """One sequence of tokens, and who wrote each."""

    def __init__(self, policy: TokenPolicy, prompt: list[int], sampling: Sampling) -> None:
        self.policy, self.sampling = policy, sampling
        self.record = TokenRecord(prompt_ids=prompt)

    @property
    def room(self) -> int:
        """Tokens that still fit."""
        return self.sampling.max_length - len(self.record.prompt_ids) - len(self.record.ids)

    @abstractmethod
    async def write(self, limit: int, stop: Sequence[str]) -> Written:
        """The model's next tokens, at most `limit` (1 or more), ended as `TokenPolicy.ended` says. The record is not touched."""

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Writes until a stop string, the model's own end, `max_tokens`, or the session is full."""
        limit = min(max_tokens, self.room)
        if limit <= 0:
            return Generation("", "full", 0)
        ids, logprobs, finish = await self.write(limit, stop)
        self._note(ids, 1, logprobs)
        return Generation(
            decode(self.policy.tokenizer, ids),
            finish or ("length" if limit == max_tokens else "full"),
            len(ids),
        )

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text as plain tokens."""
        ids = encode_plain(self.policy.tokenizer, text)
        self._note(ids, 0, [0.0] * len(ids))
        return len(ids)

    def _note(self, ids: list[int], mask: int, logprobs: list[float]) -> None:
        self.record.ids += ids
        self.record.mask += [mask] * len(ids)
        self.record.logprobs += logprobs

    @abstractmethod
    def close(self) -> None:
        """Frees what the session holds."""
