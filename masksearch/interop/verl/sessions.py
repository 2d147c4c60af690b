"""Sessions on verl's language-model servers, with tokens in and out: training uses exactly the sampled
tokens.

verl starts its servers without a tokenizer (`skip_tokenizer_init`). So a server cannot stop at stop strings,
but it can stop at tokens. Each request stops at every token that contains `>`, the last character of every
stop string. If the text contains no stop string after a request, another request continues the same turn;
the server's prefix cache avoids repeated work.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from masksearch.errors import ModelError
from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.types import Hit


def closing_tokens(tokenizer: Any) -> list[int]:
    """Returns the ids of the tokens whose text contains `>`, at which requests stop."""
    return [
        token
        for token, piece in enumerate(tokenizer.batch_decode([[token] for token in range(len(tokenizer))]))
        if ">" in piece
    ]


class ServerPolicy:
    """Opens sessions on a server manager of verl.

    The manager's `generate(request_id, prompt_ids=, sampling_params=)` returns `token_ids` and `log_probs`.
    """

    def __init__(
        self,
        manager: Any,
        tokenizer: Any,
        closing: Sequence[int],
        sampling_params: Mapping[str, Any],
        name: str,
        prompt_length: int,
    ) -> None:
        self.manager, self.tokenizer, self.closing, self.name = manager, tokenizer, list(closing), name
        self.sampling_params, self.prompt_length = dict(sampling_params), prompt_length
        self.end_ids = frozenset(token for token in (tokenizer.eos_token_id,) if token is not None)
        self.seconds = 0.0
        """Total time that this policy's sessions waited for the server, in seconds."""

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> ServerSession:
        """Starts a session.

        Raises ModelError if the prompt is longer than verl's batches allow. The prompt is not cut, because a
        cut prompt would be another task.
        """
        text = self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        prompt = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if len(prompt) > self.prompt_length:
            raise ModelError(
                f"the prompt has {len(prompt)} tokens, but data.max_prompt_length is {self.prompt_length}; "
                "raise it"
            )
        return ServerSession(self, prompt, sampling.max_length)

    async def ask(self, request: str, ids: Sequence[int], max_tokens: int) -> tuple[list[int], list[float]]:
        """Returns the next tokens after `ids`, at most `max_tokens`, and their log-probabilities.

        Raises ModelError if the server returns a token without a valid log-probability.
        """
        started = time.monotonic()
        parameters = {
            **self.sampling_params,
            "logprobs": True,
            "max_tokens": max_tokens,
            "stop_token_ids": self.closing,
        }
        try:
            output = await self.manager.generate(
                request_id=request, prompt_ids=list(ids), sampling_params=parameters
            )
        finally:
            self.seconds += time.monotonic() - started
        tokens = list(output.token_ids)[:max_tokens]
        logprobs = list(output.log_probs or [])[: len(tokens)]
        if len(logprobs) != len(tokens):
            raise ModelError(
                f"the server returned {len(tokens)} tokens and {len(logprobs)} log-probabilities; set "
                "calculate_log_probs of the rollout to true"
            )
        if any(math.isnan(value) for value in logprobs):
            raise ModelError("the server returned a log-probability that is not a number")
        return tokens, logprobs


class ServerSession:
    """One session: a growing sequence of tokens, with a mask of the tokens that the model wrote."""

    def __init__(self, policy: ServerPolicy, prompt: list[int], max_length: int) -> None:
        self.policy, self.max_length = policy, max_length
        self.request = uuid4().hex
        self.record = TokenRecord(prompt_ids=prompt)

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """Generates up to a stop string, the model's end token, `max_tokens`, or the end of the session."""
        record, room = self.record, self.max_length - len(self.record.prompt_ids) - len(self.record.ids)
        limit = min(max_tokens, room)
        if limit <= 0:
            return Generation("", "full", 0)
        ids: list[int] = []
        finish = "length" if limit == max_tokens else "full"
        while len(ids) < limit:
            tokens, logprobs = await self.policy.ask(
                self.request, [*record.prompt_ids, *record.ids], limit - len(ids)
            )
            ids += tokens
            record.ids += tokens
            record.mask += [1] * len(tokens)
            record.logprobs += logprobs
            if not tokens or ids[-1] in self.policy.end_ids:
                finish = "end"
            elif any(word in self._text(ids) for word in stop):
                finish = "stop"
            elif ids[-1] in self.policy.closing or len(ids) >= limit:
                continue
            else:
                finish = "end"  # the server stopped at an end token that is not in `end_ids`
            break
        return Generation(self._text(ids), finish, len(ids))  # type: ignore[arg-type]

    def _text(self, ids: Sequence[int]) -> str:
        return str(
            self.policy.tokenizer.decode(
                list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Adds a tool's text as plain tokens, never as special tokens; returns the number of added tokens."""
        ids = list(
            self.policy.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        )
        self.record.ids += ids
        self.record.mask += [0] * len(ids)
        self.record.logprobs += [0.0] * len(ids)
        return len(ids)

    def close(self) -> None:
        """Does nothing: the session holds no resources."""
