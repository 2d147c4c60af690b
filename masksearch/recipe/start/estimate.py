"""How long training takes on this machine, and how much memory."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from masksearch.llm.product_rates import Product, Rates

PARAMETERS, HEAD = 106e6, 28e6
"""Parameters of SmolLM2-135M without its embedding, and of its head."""
FROZEN = 0.5
"""Share of the layers that the recipe does not train."""
LOSS_SHARE = 0.3
"""Share of a trajectory's tokens that the model wrote; the head is applied to these alone."""
SLOWER = 2.5e-3
"""Seconds that a token of training takes beside its matrix products: attention, norms, conversions, which
wait for memory. Measured alike on cores that multiply at 66 GFLOP/s (9.7 ms a token in all) and at 810
(3.1 ms; docs/log.md, 2026-11-30), so cores that multiply twelve times as fast train only three times as
fast."""
TOKENS = 480
"""Tokens of a trajectory with the padding of its batch: the prompt, one to four searches with two passages of
60 words each, the answer. Measured: 34 steps of a recipe with three questions to two masks took as long as
480 tokens a trajectory (docs/log.md, 2026-11-30)."""
OTHER_MINUTES, OTHER_PRODUCTS = 2.8, 424.0
"""Minutes of the stages before and after training: a part that is the same everywhere, and one that is
divided by the rate in GFLOP/s. Fitted to a whole run at 66 GFLOP/s (9.1 minutes) and to the like stages of
the demo at 810 (3.3 minutes)."""
USUAL = 250.0
"""GFLOP/s of two usual cores."""
BYTES_PER_PARAMETER = 10
"""Bytes that weights, gradients of half of the layers and their moments take for each parameter."""
ACTIVATIONS = 6e9
"""Bytes of activations of a step of 8 long trajectories."""


@dataclass(frozen=True)
class Speed:
    """The speed of training on this machine."""

    gflops: float
    measured: bool

    @property
    def seconds_per_trajectory(self) -> float:
        """Seconds of training on a trajectory."""
        forward = 2 * PARAMETERS
        backward = 4 * PARAMETERS * (1 - FROZEN)
        head = 6 * HEAD * LOSS_SHARE
        return TOKENS * ((forward + backward + head) / (self.gflops * 1e9) + SLOWER)

    def trajectories(self, minutes: int) -> int:
        """Returns the number of trajectories of a training of `minutes` minutes; at least 80."""
        return max(80, int(minutes * 60 / self.seconds_per_trajectory))

    @property
    def other_minutes(self) -> float:
        """Minutes of all stages but the training."""
        return OTHER_MINUTES + OTHER_PRODUCTS / self.gflops


def speed_here(measure: Callable[[Product], Rates] | None = None) -> Speed:
    """Measures the products of the model; without torch, the usual rate of two cores is assumed.

    The measurement is not kept, because other work may slow the machine down just now.
    """
    if importlib.util.find_spec("torch") is None:
        return Speed(USUAL, False)
    from masksearch.llm.device import choose_format
    from masksearch.llm.product_rates import ROWS, Product, measure_rates, seconds_of

    product = Product(ROWS["training"])
    found = measure(product) if measure else measure_rates(product, seconds_of)
    name = choose_format(rates=lambda product: found).name
    return Speed(found.bfloat16 if name == "bfloat16" else found.float32, True)


def memory_gigabytes() -> float:
    """Returns the memory that training takes, in gigabytes."""
    return (BYTES_PER_PARAMETER * (PARAMETERS + HEAD) + ACTIVATIONS) / 1e9
