"""Sessions on token ids, for the two back ends that return tokens: `llm.decoder.local_policy` and `llm.vllm`.

A trainer trains on the token record of a session, so no text is tokenised a second time. A tool's text is
tokenised as plain text, so it cannot contain a special token. Both back ends end a stretch (the text of one
`generate` call) by the same rule, which is in this module: at a token with which the model ends its turn, or
at the token that completes a stop string.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.types import Hit

Ending = Literal["end", "stop"]
Written = tuple[list[int], list[float], Literal["end", "stop", "full"] | None]
"""The result of `write`: token ids, their log-probabilities, and the reason why they end (None: the token
limit)."""


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Returns the token ids of a chat up to the model's turn.

    Uses the tokenizer's chat template; a tokenizer without one gets the messages' texts, separated by
    blank lines.
    """
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    else:
        text = "".join(f"{message['content']}\n\n" for message in messages)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_plain(tokenizer: Any, text: str) -> list[int]:
    """Returns the token ids of a text; the names of special tokens in it are encoded as plain characters."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """Returns the text of token ids, without special tokens and with its spaces unchanged."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Returns the tokens with which a model ends its turn, from its tokenizer and its two configurations."""
    ends = {tokenizer.eos_token_id}
    for value in (model.config.eos_token_id, getattr(model.generation_config, "eos_token_id", None)):
        ends.update(value if isinstance(value, (list, tuple)) else [value])
    return frozenset(token for token in ends if token is not None)


class TokenPolicy:
    """Base of the policies that know their tokens: a tokenizer, and the rule that ends a stretch."""

    def __init__(self, tokenizer: Any, end_ids: Iterable[int], name: str) -> None:
        self.tokenizer, self.end_ids, self.name = tokenizer, frozenset(end_ids), name
        pieces = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
        # A stop string can only end in a token that contains its last character, so after any other token
        # the text need not be decoded.
        self.closing = frozenset(token for token, piece in enumerate(pieces) if ">" in piece)

    def ended(self, ids: Sequence[int], stop: Sequence[str]) -> Ending | None:
        """Returns the reason if a stretch ends with the last token of `ids`; None if the stretch continues.

        Every stop string must end with `>`.
        """
        if ids[-1] in self.end_ids:
            return "end"
        if ids[-1] in self.closing:
            text = decode(self.tokenizer, ids)
            return "stop" if any(word in text for word in stop) else None
        return None


class TokenSession(ABC):
    """One sequence of tokens, with the author (model or tool) of each."""

    def __init__(self, policy: TokenPolicy, prompt: list[int], sampling: Sampling) -> None:
        self.policy, self.sampling = policy, sampling
        self.record = TokenRecord(prompt_ids=prompt)

    @property
    def room(self) -> int:
        """Number of tokens that still fit into the session; negative if the prompt alone is too long."""
        return self.sampling.max_length - len(self.record.prompt_ids) - len(self.record.ids)

    @abstractmethod
    async def write(self, limit: int, stop: Sequence[str]) -> Written:
        """Returns the model's next tokens, at most `limit` (1 or more).

        `TokenPolicy.ended` finds the end of the stretch. The caller adds the tokens to the record.
        """

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Generates until a stop string, the model's end of turn, `max_tokens`, or a full session."""
        limit = min(max_tokens, self.room)
        if limit <= 0:
            return Generation("", "full", 0)
        ids, logprobs, finish = await self.write(limit, stop)
        self._extend_record(ids, 1, logprobs)
        at_limit: Literal["length", "full"] = "length" if limit == max_tokens else "full"
        return Generation(decode(self.policy.tokenizer, ids), finish or at_limit, len(ids))

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text as plain tokens."""
        ids = encode_plain(self.policy.tokenizer, text)
        self._extend_record(ids, 0, [0.0] * len(ids))
        return len(ids)

    def _extend_record(self, ids: list[int], mask: int, logprobs: list[float]) -> None:
        """Adds tokens that the model (`mask` 1) or a tool (`mask` 0) wrote to the three lists of the record.
        The lists keep equal length: the number of tokens after the prompt."""
        self.record.ids += ids
        self.record.mask += [mask] * len(ids)
        self.record.logprobs += logprobs

    @abstractmethod
    def close(self) -> None:
        """Frees the resources of the session."""
