"""A checkpoint in this process as a policy: token in, token out.

The session's token record is what a trainer trains on; nothing is decoded and tokenised again. A tool's text is
tokenised as plain text, so that nothing in it can become a special token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.llm.engine import Engine, Stream
from masksearch.types import Hit


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


class LocalPolicy:
    """Sessions on an engine."""

    def __init__(self, model: Any, tokenizer: Any, name: str, slots: int = 48, max_length: int = 1024) -> None:
        self.tokenizer, self.name = tokenizer, name
        self.engine = Engine(model, slots, max_length)
        ends = {tokenizer.eos_token_id, *_as_list(model.config.eos_token_id), *_as_list(getattr(model.generation_config, "eos_token_id", None))}
        self.end_ids = frozenset(token for token in ends if token is not None)
        pieces = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
        # A stop string can only end in a token that holds its last character: others need not be decoded.
        self.closing = frozenset(token for token, piece in enumerate(pieces) if ">" in piece)

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> LocalSession:
        """Starts a session; waits for a free slot."""
        prompt = encode_prompt(self.tokenizer, messages)
        stream = await self.engine.admit(sampling.temperature, sampling.seed)
        stream.pending = list(prompt)
        return LocalSession(self, stream, prompt, sampling.max_length)


class LocalSession:
    """One sequence of tokens, and who wrote each."""

    def __init__(self, policy: LocalPolicy, stream: Stream, prompt: list[int], max_length: int) -> None:
        self.policy, self.stream, self.max_length = policy, stream, max_length
        self.record = TokenRecord(prompt_ids=prompt)

    @property
    def room(self) -> int:
        """Tokens that still fit."""
        return self.max_length - len(self.record.prompt_ids) - len(self.record.ids)

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Writes until a stop string, the model's own end, `max_tokens`, or the session is full."""
        limit = min(max_tokens, self.room)
        if limit <= 0:
            return Generation("", "full", 0)
        ids: list[int] = []
        finish: str = "length" if limit == max_tokens else "full"

        def accept(token: int) -> bool:
            nonlocal finish
            ids.append(token)
            if token in self.policy.end_ids:
                finish = "end"
            elif token in self.policy.closing and any(word in decode(self.policy.tokenizer, ids) for word in stop):
                finish = "stop"
            else:
                return False
            return True

        written, logprobs = await self.policy.engine.generate(self.stream, limit, accept)
        self.record.ids += written
        self.record.mask += [1] * len(written)
        self.record.logprobs += logprobs
        return Generation(decode(self.policy.tokenizer, written), finish, len(written))  # type: ignore[arg-type]

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text as plain tokens."""
        ids = encode_plain(self.policy.tokenizer, text)
        self.stream.pending += ids
        self.record.ids += ids
        self.record.mask += [0] * len(ids)
        self.record.logprobs += [0.0] * len(ids)
        return len(ids)

    def close(self) -> None:
        """Frees the slot."""
        self.policy.engine.release(self.stream)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
