"""Records decoding passes as CUDA graphs and replays them.

A decoding pass of a small model runs a thousand small kernels. Launching the kernels one by one takes longer
than running them; a CUDA graph launches them together.

Passes with one token per slot are recorded, one recording for each size. The size of a pass is its number of
slots and the length of its longest sequence. Both are rounded up to keep the number of sizes small. A
recording reads its tokens and positions from fixed tensors, and keys and values from the memory that the
cache had at the time of recording. When the cache grows, it gets new memory, so all recordings are discarded.
If recording fails, decoding continues without recordings. `MASKSEARCH_CUDA_GRAPHS=0` in the environment turns
recording off.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from masksearch.runtime.progress import say

SWITCH = "MASKSEARCH_CUDA_GRAPHS"
"""Environment variable that turns recording off if its value is 0."""
WORTH_RECORDING = 3
"""A size is recorded at this pass of that size, counted from 1. Recording takes as long as a few passes, so
it would not pay for a rare size."""
SPAN_STEP = 128
"""The length of the longest sequence is rounded up to a multiple of this many tokens."""
WIDTH_STEPS = 8
"""The number of slots is rounded up to a multiple of 1/8 of all slots."""

Pass = Callable[[torch.Tensor, torch.Tensor, int, int], torch.Tensor]
"""A function that runs one pass: (tokens, positions, slots, span) -> hidden states.

Tokens and positions are (slots, 1), hidden states (slots, 1, size).
"""
Replay = Callable[[], torch.Tensor]
"""A function that replays a recorded pass and returns its hidden states, (slots, 1, size)."""


def graphs_wanted(device: torch.device) -> bool:
    """Whether to record passes: True on CUDA, unless the environment variable `SWITCH` is 0."""
    return device.type == "cuda" and os.environ.get(SWITCH, "1") != "0"


class RecordedPasses:
    """Records and replays decoding passes over the first slots of a cache."""

    def __init__(
        self,
        run: Pass,
        slots: int,
        device: torch.device,
        record: Callable[[Callable[[], torch.Tensor], Any], Replay] | None = None,
    ) -> None:
        self.run, self.slots = run, slots
        self.record = record or record_graph
        self.tokens = torch.zeros((slots, 1), dtype=torch.long, device=device)
        self.positions = torch.zeros((slots, 1), dtype=torch.long, device=device)
        self.passes: Counter[tuple[int, int]] = Counter()
        """Number of passes so far, by size: (number of slots, span in tokens)."""
        self.replays: dict[tuple[int, int], Replay] = {}
        self.pool: Any = None
        self.failed = False

    def clear(self) -> None:
        """Discards all recordings, because they read memory that the cache no longer uses."""
        self.replays = {}
        self.pool = None

    def __call__(
        self, tokens: torch.Tensor, positions: torch.Tensor, width: int, span: int, room: int
    ) -> torch.Tensor | None:
        """Returns the hidden states (width, 1, size) of a pass, or None if the pass is not recorded.

        `tokens` and `positions` are (width, 1); `room` is the capacity of a slot in tokens.
        """
        if self.failed:
            return None
        step = -(-self.slots // WIDTH_STEPS)
        size = (min(round_up(width, step), self.slots), min(round_up(span, SPAN_STEP), room))
        self.passes[size] += 1
        if self.passes[size] < WORTH_RECORDING:
            return None
        # The padding rows belong to slots beyond `width`, which are free. The padding writes to the first
        # position of these slots; the next session in a slot overwrites that position.
        padding = (0, 0, 0, size[0] - width)
        self.tokens[: size[0]].copy_(torch.nn.functional.pad(tokens, padding))
        self.positions[: size[0]].copy_(torch.nn.functional.pad(positions, padding))
        if size not in self.replays and not self._try_to_record(size):
            return None
        return self.replays[size]()[:width]

    def _try_to_record(self, size: tuple[int, int]) -> bool:
        """Records a pass of this size. If recording fails, returns False, and later passes are not recorded
        either."""
        width, span = size
        try:
            if self.pool is None and self.tokens.is_cuda:
                self.pool = torch.cuda.graph_pool_handle()
            self.replays[size] = self.record(
                lambda: self.run(self.tokens[:width], self.positions[:width], width, span), self.pool
            )
        except RuntimeError as error:
            self.failed = True
            self.clear()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            say(f"  Decoding continues without CUDA graphs, more slowly: {reason}")
            return False
        return True


def record_graph(work: Callable[[], torch.Tensor], pool: Any) -> Replay:
    """Records the function `work` as a CUDA graph and returns its replay. `work` may read only tensors whose
    memory is not freed before the last replay."""
    warm_up: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    warm_up.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(warm_up):
        for _ in range(2):  # libraries initialise in the first passes, which a graph cannot record
            work()
    torch.cuda.current_stream().wait_stream(warm_up)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        out = work()

    def replay() -> torch.Tensor:
        graph.replay()
        return out

    return replay


def round_up(number: int, step: int) -> int:
    """Rounds a number up to a multiple of `step`."""
    return -(-number // step) * step
