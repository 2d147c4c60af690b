"""Continuous batching of many sessions in this process.

Each session is an asyncio coroutine and owns a slot of the key-value cache. A stretch is the text that one
call of `generate` returns, up to a stop string or a token limit. While sessions wait for their next stretch,
the engine runs forward passes over all of them. Other coroutines (a search, for example) run between the
passes, so a slow tool never delays the batch. When a session ends, the next waiting session gets its slot. A
tool's text is prefilled into the slot of its session; the other slots do not change. A new session copies the
keys and values of a prompt prefix that another slot holds already: in a group of rollouts the whole prompt,
in an evaluation the instruction. Every session has its own seed. The order of the work depends only on the
order of the requests.

Compared with `generate` on padded batches, the engine is about twice as fast for sequences of uneven length
and no faster for sequences of equal length (benchmarks/decode.py; measurements in docs/log.md).
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
from masksearch.llm.decoder.slots import SlotCache

PREFILL_TOKENS = 4096
"""Maximum number of tokens of one prefill pass on a CPU, padding included."""
PREFILL_TOKENS_GPU = 16384
"""Maximum number of tokens of one prefill pass on a GPU, padding included."""
PATIENCE_GPU = 8
"""On a GPU, a prefill waits for at most this number of decoding passes.

A GPU pass over few tokens takes about as long as a pass over many tokens. So prefills are collected and share
one pass. The prefill runs earlier if at least 1/8 of all requests wait for a prefill.
"""
SHARED_TOKENS = 16
"""Minimum number of tokens of a common prefix that is copied from another slot; a shorter prefix is
recomputed."""


@dataclass(eq=False)
class Stream:
    """The token sequence of one session, and the cache slot that holds its keys and values."""

    slot: int
    temperature: float
    random: random.Random
    held: list[int] = field(default_factory=list)
    """Tokens whose keys and values are in the slot."""
    pending: list[int] = field(default_factory=list)
    """Tokens that the next forward pass puts into the slot."""

    @property
    def cached(self) -> int:
        """Number of tokens whose keys and values are in the slot."""
        return len(self.held)

    def advance(self) -> None:
        """Moves the pending tokens to `held`. Called after the forward pass that computed their keys and
        values."""
        self.held += self.pending
        self.pending = []


@dataclass(eq=False)
class Request:
    """A session's request for its next stretch of text. `accept(token)` returns whether this token ends the
    stretch."""

    sequence: Stream
    max_tokens: int
    done: asyncio.Future[None]
    accept: Any
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


def slot_cache_of(model: Any) -> type[SlotCache]:
    """Returns the class of a model's cache, and makes the model use slots."""
    if (own := getattr(model, "cache_class", None)) is not None:
        return own  # type: ignore[no-any-return]
    from masksearch.llm.decoder.model_slots import ATTENTION, ModelSlotCache

    model.config._attn_implementation = ATTENTION
    return ModelSlotCache


class Engine:
    """Runs a causal language model over `slots` sequences of up to `max_length` tokens."""

    def __init__(self, model: Any, slots: int = 48, max_length: int = 1024) -> None:
        self.model, self.max_length, self.slots = model, max_length, slots
        model.eval()
        weight = next(model.parameters())
        self.device = weight.device
        self.cache = slot_cache_of(model)(
            model.config.get_text_config(), slots, min(max_length, 512), weight.dtype, self.device
        )
        self.running: dict[int, Stream] = {}
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.requests: list[Request] = []
        self.driver: asyncio.Task[None] | None = None
        self.patience = PATIENCE_GPU if self.device.type != "cpu" else 0
        """Maximum number of decoding passes for which a prefill waits; 0 on a CPU."""
        self.held_back = 0
        """Number of decoding passes for which the next prefill has waited so far."""
        self.recorded: RecordedPasses | None = None
        if graphs_wanted(self.device):
            self.recorded = RecordedPasses(self._hidden, slots, self.device)
        if self.device.type == "cuda":
            # cuDNN attention builds a plan for every new length. Nearly every pass here has a new length, so
            # cuDNN attention is turned off.
            torch.backends.cuda.enable_cudnn_sdp(False)

    # -- admission and release of sessions ----------------------------------------------------------------

    async def admit(self, temperature: float, seed: int) -> Stream:
        """Waits for a free slot and returns a new stream in this slot. Waiting sessions are served in order
        of arrival."""
        while len(self.running) >= self.slots:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                # The slot may have come together with the end of this session: the next one gets it.
                if turn.done() and not turn.cancelled():
                    self._wake()
                raise
        slot = next(slot for slot in range(self.slots) if slot not in self.running)
        sequence = Stream(slot, temperature, random.Random(seed))
        self.running[slot] = sequence
        return sequence

    def release(self, sequence: Stream) -> None:
        """Frees the slot of a session.

        If no session waits for a slot, the session in the last slot moves into the freed slot. Decoding runs
        on the first slots, so the slots in use must have no gap.
        """
        if self.running.get(sequence.slot) is not sequence:
            return
        del self.running[sequence.slot]
        if self._wake():
            return
        last = max(self.running, default=-1)
        if last > sequence.slot:
            moved = self.running.pop(last)
            self.cache.copy(last, sequence.slot, moved.cached)
            moved.slot = sequence.slot
            self.running[sequence.slot] = moved

    def _wake(self) -> bool:
        """Lets the next waiting session take a free slot; returns whether one waits."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return True
        return False

    async def generate(self, sequence: Stream, max_tokens: int, accept: Any) -> tuple[list[int], list[float]]:
        """Generates until `accept` returns True or `max_tokens` tokens are written.

        Returns token ids and their log-probabilities, (tokens,) each. Raises the error of a failed
        forward pass.
        """
        request = Request(sequence, max_tokens, asyncio.get_running_loop().create_future(), accept)
        self.requests.append(request)
        if self.driver is None or self.driver.done():
            self.driver = asyncio.get_running_loop().create_task(self._drive())
        await request.done
        return request.ids, request.logprobs

    async def _drive(self) -> None:
        """Runs forward passes until no request is left. If a pass fails, all open requests get its error."""
        while self.requests:
            # This gives the event loop a turn: a session whose stretch is complete can search and send its
            # next request before the next pass.
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

    # -- one forward pass ---------------------------------------------------------------------------------

    def _step(self) -> None:
        """Runs one pass over the open requests: either a prefill, or one decoding pass."""
        self.requests = [request for request in self.requests if not request.done.done()]
        # A sequence that decodes has one pending token; after a prompt or a tool's text it usually has more.
        fresh = [request for request in self.requests if len(request.sequence.pending) != 1]
        waited = self.held_back >= self.patience
        if fresh and (waited or len(fresh) * self.patience >= len(self.requests)):
            self.held_back = 0
            self._prefill(fresh)
        elif self.requests:
            self.held_back += bool(fresh)
            self._decode([request for request in self.requests if len(request.sequence.pending) == 1])

    def _prefill(self, requests: Sequence[Request]) -> None:
        """Runs the pending tokens of several sequences. A prefix that several new sequences share is computed
        only once."""
        waiting = list(requests)
        while waiting:
            ready, waiting = self._share_beginnings(waiting)
            self._run_pending(ready)

    def _share_beginnings(self, requests: Sequence[Request]) -> tuple[list[Request], list[Request]]:
        """Copies into each new slot the longest prefix of its prompt that another slot holds.

        Returns two lists: the requests that can run now, and the requests that must wait. A request waits if
        its prompt has a longer prefix in common with a request of the first list than with any filled slot.
        Once that request has run, the waiting request can copy this prefix.
        """
        ready: list[Request] = []
        waiting: list[Request] = []
        holders = [stream for stream in self.running.values() if stream.held]
        starting: list[list[int]] = []  # prompts of the new sequences in `ready`
        for request in requests:
            stream = request.sequence
            if stream.held:
                ready.append(request)
                continue
            soon = longest_prefix(stream.pending, starting)[1]
            place, held = longest_prefix(stream.pending, [holder.held for holder in holders])
            donor = holders[place] if held else None
            # The last token is never copied: running it gives the logits for the first sampled token.
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
        """Runs the pending tokens of the requests in batches. The longest come first, so that the sequences
        of a batch have similar lengths and need little padding."""
        ordered = sorted(requests, key=lambda request: -len(request.sequence.pending))
        while ordered:
            longest = len(ordered[0].sequence.pending)
            count = max(1, (PREFILL_TOKENS_GPU if self.patience else PREFILL_TOKENS) // longest)
            batch, ordered = ordered[:count], ordered[count:]
            sequences = [request.sequence for request in batch]
            tokens = torch.zeros((len(batch), longest), dtype=torch.long)  # (batch, longest)
            positions = torch.zeros((len(batch), longest), dtype=torch.long)  # (batch, longest)
            for row, sequence in enumerate(sequences):
                size = len(sequence.pending)
                tokens[row, :size] = torch.tensor(sequence.pending)
                # Padding is written to the positions after the real tokens; later tokens of the sequence
                # overwrite it.
                positions[row] = torch.arange(sequence.cached, sequence.cached + longest)
            last = torch.tensor([len(sequence.pending) - 1 for sequence in sequences])  # (batch,)
            rows = torch.tensor([sequence.slot for sequence in sequences])  # (batch,)
            logits = self._forward(tokens, positions, rows, last)  # (batch, vocabulary)
            for sequence in sequences:
                sequence.advance()
            self._sample(batch, logits)

    def _decode(self, requests: Sequence[Request]) -> None:
        """Decodes one token for every request.

        The pass covers all slots from the first to the last slot in use. It includes slots whose session
        waits for a tool; their results are ignored.
        """
        width = max(self.running) + 1
        written, places = [0] * width, [0] * width
        for slot, sequence in self.running.items():
            # The pass writes keys and values to slots without a request too. The next real token of such a
            # slot overwrites them.
            places[slot] = sequence.cached
        for request in requests:
            written[request.sequence.slot] = request.sequence.pending[0]
        tokens, positions = torch.tensor(written)[:, None], torch.tensor(places)[:, None]  # (width, 1) each
        last = torch.zeros(width, dtype=torch.long)
        logits = self._forward(tokens, positions, width, last)  # (width, vocabulary)
        for request in requests:
            request.sequence.advance()
        self._sample(requests, logits[[request.sequence.slot for request in requests]])

    @torch.inference_mode()
    def _forward(
        self, tokens: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor | int, last: torch.Tensor
    ) -> torch.Tensor:
        """Returns the logits (batch, vocabulary), in float32, after token `last` of each row.

        `tokens` and `positions` are (batch, tokens), `last` is (batch,); `rows` is as in `SlotCache.aim`.
        """
        span = int(positions.max()) + 1
        if self.cache.grow(span) and self.recorded:
            self.recorded.clear()
        hidden = None
        if self.recorded and isinstance(rows, int):
            hidden = self.recorded(tokens, positions, rows, span, self.cache.length)
        if hidden is None:
            rows = rows.to(self.device) if isinstance(rows, torch.Tensor) else rows
            hidden = self._hidden(tokens.to(self.device), positions.to(self.device), rows, span)
        # (batch, tokens, size) -> (batch, size)
        picked = hidden[torch.arange(len(tokens), device=self.device), last.to(self.device)]
        logits: torch.Tensor = self.model.get_output_embeddings()(picked)
        return logits.float()

    def _hidden(
        self, tokens: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor | int, span: int
    ) -> torch.Tensor:
        """Returns the hidden states (batch, tokens, size) of one pass.

        Keys and values go to the slots `rows`; attention reads the first `span` positions of these slots.
        """
        self.cache.aim(rows, positions, span)
        # (batch, 1, tokens, span): a token sees the positions up to its own.
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
        """Draws one token per row of logits (requests, vocabulary), and answers the requests whose stretch is
        complete.

        Each row draws from the random numbers of its own session.
        """
        tokens, logprobs = sample(
            logits,
            [request.sequence.temperature for request in requests],
            [request.sequence.random for request in requests],
        )
        for request, token, logprob in zip(requests, tokens, logprobs, strict=True):
            request.ids.append(token)
            request.logprobs.append(logprob)
            # The sampled token is not in the cache yet; the next pass of this sequence starts with it.
            request.sequence.pending = [token]
            if request.accept(token) or len(request.ids) >= request.max_tokens:
                request.done.set_result(None)


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Returns the number of tokens in the longest common prefix of two sequences."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def longest_prefix(tokens: Sequence[int], others: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Finds the sequence with the longest common prefix with `tokens`; returns its index and the length.

    Returns the first of several equally long prefixes, and (0, 0) if no sequence starts like `tokens`.
    """
    best, length = 0, 0
    start = tokens[:1]
    for place, other in enumerate(others):
        # Most sequences share only the instruction. One comparison of slices shows whether a sequence can
        # beat the longest prefix so far. If not, its tokens are not compared one by one.
        if start and other[: length + 1] == start:
            best, length = place, common_prefix(tokens, other)
            start = tokens[: length + 1] if length < len(tokens) else []
    return best, length


def sample(
    logits: torch.Tensor, temperatures: Sequence[float], randoms: Sequence[random.Random]
) -> tuple[list[int], list[float]]:
    """Samples one token per row of logits (batch, vocabulary); returns tokens and log-probabilities.

    Temperature 0 takes the largest logit, the first one on ties. Sampling inverts the cumulative
    distribution at one uniform random number per row. The log-probability comes from the sampled
    distribution; for greedy rows, from the distribution at temperature 1.
    """
    divisors = [temperature if temperature > 0 else 1.0 for temperature in temperatures]
    scale = torch.tensor(divisors, device=logits.device)  # (batch,)
    logp = torch.log_softmax(logits / scale[:, None], dim=-1)  # (batch, vocabulary)
    if all(temperature == 0 for temperature in temperatures):
        picked = logits.argmax(dim=-1)
    else:
        cumulative = logp.exp().double().cumsum(dim=-1)  # (batch, vocabulary)
        uniform = torch.tensor([rng.random() for rng in randoms], dtype=torch.float64, device=logits.device)
        # Because of rounding, the probabilities of a row do not sum to exactly 1, so the random number is
        # scaled by the sum.
        targets = (uniform * cumulative[:, -1])[:, None]  # (batch, 1)
        drawn = torch.searchsorted(cumulative, targets, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
        greedy = torch.tensor([temperature == 0 for temperature in temperatures], device=logits.device)
        picked = torch.where(greedy, logits.argmax(dim=-1), drawn)  # (batch,)
    return picked.tolist(), logp.gather(1, picked[:, None])[:, 0].tolist()
