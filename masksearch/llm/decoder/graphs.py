"""Decoding passes recorded as CUDA graphs: a small model's pass is a thousand small kernels, and starting them one by one takes longer than
running them.

A pass of one token a slot is recorded for each size it comes in, the number of slots and the longest prefix both rounded up, so that few sizes
are met. A recording reads its tokens and positions from tensors of its own and the keys and values from the cache where it lay then: once the
cache has grown, all are made anew. Where recording fails, decoding goes on without. `MASKSEARCH_CUDA_GRAPHS=0` in the environment turns it off.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from masksearch.runtime.progress import say

SWITCH = "MASKSEARCH_CUDA_GRAPHS"
WORTH_RECORDING = 3
"""A size is recorded when it is met so often: recording takes a few passes' time."""
SPAN_STEP = 128
WIDTH_STEPS = 8
"""Prefixes are rounded up to a multiple of `SPAN_STEP`, slots to so many parts of all."""

Pass = Callable[[torch.Tensor, torch.Tensor, int, int], torch.Tensor]
"""(tokens, positions, slots, span) -> hidden states."""
Replay = Callable[[], torch.Tensor]


def graphs_wanted(device: torch.device) -> bool:
    """Whether passes are recorded: on CUDA, unless switched off."""
    return device.type == "cuda" and os.environ.get(SWITCH, "1") != "0"


class RecordedPasses:
    """Replays decoding passes over the first slots of a cache."""

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
        self.met: Counter[tuple[int, int]] = Counter()
        self.replays: dict[tuple[int, int], Replay] = {}
        self.pool: Any = None
        self.failed = False

    def clear(self) -> None:
        """Forgets the recordings: the cache lies elsewhere."""
        self.replays = {}
        self.pool = None

    def __call__(
        self, tokens: torch.Tensor, positions: torch.Tensor, width: int, span: int, room: int
    ) -> torch.Tensor | None:
        """Hidden states (width, 1, size) of a pass, or None where it is not recorded. `room`: tokens that a slot holds."""
        if self.failed:
            return None
        step = -(-self.slots // WIDTH_STEPS)
        size = (min(round_up(width, step), self.slots), min(round_up(span, SPAN_STEP), room))
        self.met[size] += 1
        if self.met[size] < WORTH_RECORDING:
            return None
        # Slots beyond `width` are in no one's use: what is written to their first place is written over when they are.
        padding = (0, 0, 0, size[0] - width)
        self.tokens[: size[0]].copy_(torch.nn.functional.pad(tokens, padding))
        self.positions[: size[0]].copy_(torch.nn.functional.pad(positions, padding))
        if size not in self.replays and not self._try_to_record(size):
            return None
        return self.replays[size]()[:width]

    def _try_to_record(self, size: tuple[int, int]) -> bool:
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
            say(
                f"  Decoding goes on without CUDA graphs, more slowly: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"
            )
            return False
        return True


def record_graph(work: Callable[[], torch.Tensor], pool: Any) -> Replay:
    """Records `work` as a CUDA graph. What it computes must depend only on tensors that stay where they are."""
    aside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(2):  # libraries set themselves up in the first passes, which must not be recorded
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        out = work()

    def replay() -> torch.Tensor:
        graph.replay()
        return out

    return replay


def round_up(number: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-number // step) * step
