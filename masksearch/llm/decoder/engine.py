"""Decoding many sessions at once in this process: slots are refilled as sessions end, tool text is prefilled alone.

Sessions are asyncio coroutines; while they wait for the next stretch of text, the engine runs one forward pass
after another over all that wait, and lets the others (a search, say) go on in between: a slow tool never holds up
the batch. A new session takes over the keys and values of the prompt's beginning from one that has it in its slot (the
whole prompt in a group of rollouts, the instruction in an evaluation). Everything is seeded per session. The order of the
work depends only on the order of the requests.

The gain over `generate` on padded batches is in uneven lengths: about twice as fast there, no faster where all sequences
are equally long (benchmarks/decode.py; figures in docs/log.md).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from masksearch.llm.decoder.graphs import RecordedPasses, graphs_wanted
from masksearch.llm.decoder.slots import ATTENTION, SlotCache

PREFILL_TOKENS = 4096
PREFILL_TOKENS_GPU = 16384
PATIENCE_GPU = 8
"""On a GPU a pass takes about as long whatever its size, so a prefill waits for others: for so many decoding passes, or until so large a part waits."""
SHARED_TOKENS = 16
"""A common beginning of fewer tokens is not worth copying."""


@dataclass(eq=False)
class Stream:
    """A running sequence: the `held` tokens are in its slot, the `pending` ones are not yet."""

    slot: int
    temperature: float
    random: random.Random
    held: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)

    @property
    def cached(self) -> int:
        """Tokens in its slot."""
        return len(self.held)

    def advance(self) -> None:
        """What was pending is in the slot now."""
        self.held += self.pending
        self.pending = []


@dataclass(eq=False)
class Request:
    """A stretch to generate. `accept(token)` returns whether the stretch ends with it."""

    sequence: Stream
    max_tokens: int
    done: asyncio.Future[None]
    accept: Any
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class Engine:
    """Runs a causal language model over `slots` sequences of up to `max_length` tokens."""

    def __init__(self, model: Any, slots: int = 48, max_length: int = 1024) -> None:
        self.model, self.max_length, self.slots = model, max_length, slots
        model.eval()
        model.config._attn_implementation = ATTENTION
        weight = next(model.parameters())
        self.device = weight.device
        self.cache = SlotCache(
            model.config.get_text_config(), slots, min(max_length, 512), weight.dtype, self.device
        )
        self.running: dict[int, Stream] = {}
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.requests: list[Request] = []
        self.driver: asyncio.Task[None] | None = None
        self.decoded = 0
        on_gpu = self.device.type != "cpu"
        self.patience, self.held_back = PATIENCE_GPU if on_gpu else 0, 0
        self.recorded = (
            RecordedPasses(self._hidden, slots, self.device) if graphs_wanted(self.device) else None
        )
        if self.device.type == "cuda":
            # It makes a plan for every length it has not met, and here nearly every pass has a length of its own.
            torch.backends.cuda.enable_cudnn_sdp(False)

    # -- sessions come and go ------------------------------------------------------------------------------------

    async def admit(self, temperature: float, seed: int) -> Stream:
        """Waits for a free slot, first come first served."""
        while len(self.running) >= self.slots:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append(turn)
            await turn
        slot = next(slot for slot in range(self.slots) if slot not in self.running)
        sequence = Stream(slot, temperature, random.Random(seed))
        self.running[slot] = sequence
        return sequence

    def release(self, sequence: Stream) -> None:
        """Frees the slot. With no one waiting, the last slot moves into the gap, so that those in use stay a prefix."""
        if self.running.get(sequence.slot) is not sequence:
            return
        del self.running[sequence.slot]
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        last = max(self.running, default=-1)
        if last > sequence.slot:
            moved = self.running.pop(last)
            self.cache.copy(last, sequence.slot, moved.cached)
            moved.slot = sequence.slot
            self.running[sequence.slot] = moved

    async def generate(self, sequence: Stream, max_tokens: int, accept: Any) -> tuple[list[int], list[float]]:
        """Token ids and their log-probabilities, until `accept` says stop or `max_tokens` are written."""
        request = Request(sequence, max_tokens, asyncio.get_running_loop().create_future(), accept)
        self.requests.append(request)
        if self.driver is None or self.driver.done():
            self.driver = asyncio.get_running_loop().create_task(self._drive())
        await request.done
        return request.ids, request.logprobs

    async def _drive(self) -> None:
        while self.requests:
            # Sessions that were just answered get the chance to search and to ask again before the next pass.
            for _ in range(3):
                await asyncio.sleep(0)
            try:
                self._step()
            except Exception as error:
                failed, self.requests = self.requests, []
                for request in failed:
                    if not request.done.done():
                        request.done.set_exception(error)
                return

    # -- one forward pass ----------------------------------------------------------------------------------------

    def _step(self) -> None:
        self.requests = [request for request in self.requests if not request.done.done()]
        fresh = [request for request in self.requests if len(request.sequence.pending) != 1]
        if fresh and (self.held_back >= self.patience or len(fresh) * self.patience >= len(self.requests)):
            self.held_back = 0
            self._prefill(fresh)
        elif self.requests:
            self.held_back += bool(fresh)
            self._decode(
                [request for request in self.requests if len(request.sequence.pending) == 1]
                if fresh
                else self.requests
            )

    def _prefill(self, requests: Sequence[Request]) -> None:
        """Runs pending tokens of several sequences; of those that begin alike, one before the others."""
        waiting = list(requests)
        while waiting:
            ready, waiting = self._share_beginnings(waiting)
            self._run_pending(ready)

    def _share_beginnings(self, requests: Sequence[Request]) -> tuple[list[Request], list[Request]]:
        """Copies what others hold into new slots; returns who can run now, and who waits for one of these to hold more of its beginning."""
        ready: list[Request] = []
        waiting: list[Request] = []
        holders = [stream for stream in self.running.values() if stream.held]
        starting: list[list[int]] = []
        for request in requests:
            stream = request.sequence
            if stream.held:
                ready.append(request)
                continue
            soon = longest_beginning(stream.pending, starting)[1]
            place, held = longest_beginning(stream.pending, [holder.held for holder in holders])
            donor = holders[place] if held else None
            # One token is left to run: its logits are what the first sampled token is drawn from.
            now = min(held, len(stream.pending) - 1)
            if soon >= SHARED_TOKENS and soon > now + 1:
                waiting.append(request)
                continue
            starting.append(stream.pending)
            if donor and now >= SHARED_TOKENS:
                self.cache.copy(donor.slot, stream.slot, now)
                stream.held, stream.pending = stream.pending[:now], stream.pending[now:]
            ready.append(request)
        return ready, waiting

    def _run_pending(self, requests: Sequence[Request]) -> None:
        """Runs pending tokens in batches, longest first so that little is padded."""
        ordered = sorted(requests, key=lambda request: -len(request.sequence.pending))
        while ordered:
            longest = len(ordered[0].sequence.pending)
            count = max(1, (PREFILL_TOKENS_GPU if self.patience else PREFILL_TOKENS) // longest)
            batch, ordered = ordered[:count], ordered[count:]
            sequences = [request.sequence for request in batch]
            tokens = torch.zeros((len(batch), longest), dtype=torch.long)
            positions = torch.zeros((len(batch), longest), dtype=torch.long)
            for row, sequence in enumerate(sequences):
                size = len(sequence.pending)
                tokens[row, :size] = torch.tensor(sequence.pending)
                # Padding is written to the positions after the real tokens and overwritten by what really comes there.
                positions[row] = torch.arange(sequence.cached, sequence.cached + longest)
            last = torch.tensor([len(sequence.pending) - 1 for sequence in sequences])
            rows = torch.tensor([sequence.slot for sequence in sequences])
            logits = self._forward(tokens, positions, rows, last)
            for sequence in sequences:
                sequence.advance()
            self._sample(batch, logits)

    def _decode(self, requests: Sequence[Request]) -> None:
        """One token for every request. Slots in use are a prefix; those that wait for a tool ride along unread."""
        width = max(self.running) + 1
        written, places = [0] * width, [0] * width
        for slot, sequence in self.running.items():
            # An idle slot writes to the place its next token will overwrite.
            places[slot] = sequence.cached
        for request in requests:
            written[request.sequence.slot] = request.sequence.pending[0]
        tokens, positions = torch.tensor(written)[:, None], torch.tensor(places)[:, None]
        logits = self._forward(tokens, positions, width, torch.zeros(width, dtype=torch.long))
        for request in requests:
            request.sequence.advance()
        self._sample(requests, logits[[request.sequence.slot for request in requests]])

    @torch.inference_mode()
    def _forward(
        self, tokens: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor | int, last: torch.Tensor
    ) -> torch.Tensor:
        """Logits (batch, vocabulary) in float32 after token `last` of each row."""
        span = int(positions.max()) + 1
        if self.cache.grow(span) and self.recorded:
            self.recorded.clear()
        hidden = (
            self.recorded(tokens, positions, rows, span, self.cache.length)
            if self.recorded and isinstance(rows, int)
            else None
        )
        if hidden is None:
            rows = rows.to(self.device) if isinstance(rows, torch.Tensor) else rows
            hidden = self._hidden(tokens.to(self.device), positions.to(self.device), rows, span)
        picked = hidden[torch.arange(len(tokens), device=self.device), last.to(self.device)]
        logits: torch.Tensor = self.model.get_output_embeddings()(picked)
        return logits.float()

    def _hidden(
        self, tokens: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor | int, span: int
    ) -> torch.Tensor:
        """Hidden states (batch, tokens, size) of one pass; keys and values go to the slots `rows`, of which the first `span` places are read."""
        self.cache.aim(rows, positions, span)
        mask = torch.arange(span, device=self.device)[None, None, None, :] <= positions[:, None, :, None]
        output = self.model.base_model(
            input_ids=tokens,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=self.cache,
            use_cache=True,
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _sample(self, requests: Sequence[Request], logits: torch.Tensor) -> None:
        """Draws a token a row, each with its own seeded random numbers, and ends the stretches that are complete."""
        tokens, logprobs = sample(
            logits,
            [request.sequence.temperature for request in requests],
            [request.sequence.random for request in requests],
        )
        self.decoded += len(requests)
        for request, token, logprob in zip(requests, tokens, logprobs, strict=True):
            request.ids.append(token)
            request.logprobs.append(logprob)
            # The token is not in the cache yet: it goes in first, before whatever follows it.
            request.sequence.pending = [token]
            if request.accept(token) or len(request.ids) >= request.max_tokens:
                request.done.set_result(None)


def common_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    return next(
        (place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )


def longest_beginning(tokens: Sequence[int], others: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Place and length of the longest beginning that `tokens` shares with one of the others, the first of equals; (0, 0) where there is none.

    Most others share only the instruction: that one of them cannot do better shows in a comparison of slices, without counting.
    """
    best, length = 0, 0
    start = tokens[:1]
    for place, other in enumerate(others):
        if start and other[: length + 1] == start:
            best, length = place, common_beginning(tokens, other)
            start = tokens[: length + 1] if length < len(tokens) else []
    return best, length


def sample(
    logits: torch.Tensor, temperatures: Sequence[float], randoms: Sequence[random.Random]
) -> tuple[list[int], list[float]]:
    """Tokens and log-probabilities for logits (batch, vocabulary); temperature 0 takes the largest (first on ties).

    Sampling inverts the cumulative distribution at one uniform number a row. The log-probability is that of the
    distribution sampled from (of temperature 1 where greedy).
    """
    scale = torch.tensor(
        [temperature if temperature > 0 else 1.0 for temperature in temperatures], device=logits.device
    )
    logp = torch.log_softmax(logits / scale[:, None], dim=-1)
    if all(temperature == 0 for temperature in temperatures):
        picked = logits.argmax(dim=-1)
    else:
        cumulative = logp.exp().double().cumsum(dim=-1)
        uniform = torch.tensor([rng.random() for rng in randoms], dtype=torch.float64, device=logits.device)
        drawn = torch.searchsorted(cumulative, (uniform * cumulative[:, -1])[:, None], right=True)[
            :, 0
        ].clamp(max=logits.shape[-1] - 1)
        greedy = torch.tensor([temperature == 0 for temperature in temperatures], device=logits.device)
        picked = torch.where(greedy, logits.argmax(dim=-1), drawn)
    return picked.tolist(), logp.gather(1, picked[:, None])[:, 0].tolist()
