"""Finds the device and the number format to compute in. No setting chooses the device; a stage's setting
`dtype` may choose the number format. Every result records both.

On a GPU the format is bfloat16 if the GPU has units for it. Processors without bfloat16 multiplication
emulate it, 3 to 7 times slower than float32 (docs/log.md), so they compute in float32. Processors with it
differ: bfloat16 is up to 4 times as fast as float32 on some, and half as fast on others with the same
features. There both are measured (llm/product_rates.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from masksearch.llm.product_rates import ROWS, Product, Rates, Use, measured_rates
from masksearch.runtime.files import write_json

MULTIPLIES_BFLOAT16 = ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16")
"""Processor features; without any of them, bfloat16 is slow."""
MARGIN = 1.2
"""Computing is in bfloat16 if its products are this many times as fast as those in float32.

Below this, float32 is chosen, because it is more precise, and because training converts the weights to
bfloat16 in each step.
"""
RECORD = "number-format.json"
"""File in a work folder that holds the number format that the work was started with."""


@dataclass(frozen=True)
class NumberFormat:
    """The number format of a computation, and why it was chosen."""

    name: str
    """`bfloat16` or `float32`."""
    reason: str
    """asked (a setting), gpu (what the GPU supports), features (the processor has no bfloat16 multiplication)
    or measured."""
    gflops: Mapping[str, float] | None = None
    """Format -> GFLOP/s of the model's matrix products, if they were measured."""

    def to_json(self) -> dict[str, Any]:
        """Returns the record of the choice for reports and results."""
        found = {"dtype": self.name, "reason": self.reason}
        return found | ({"gflops": dict(self.gflops)} if self.gflops else {})


def find_device() -> torch.device:
    """Returns the first CUDA device; without CUDA, the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def find_dtype(asked: str = "auto") -> torch.dtype:
    """Returns the number format `bfloat16` or `float32`; for `auto`, what `choose_format` chooses for
    training SmolLM2-135M."""
    name = choose_format(asked).name if asked == "auto" else asked
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def choose_format(
    asked: str = "auto",
    model: str = "",
    use: Use = "training",
    rates: Callable[[Product], Rates] = measured_rates,
) -> NumberFormat:
    """Returns the number format for a use of a model: `asked`, if it is not `auto`, or else the fastest.

    `model` is a checkpoint folder or a name at the hub. `rates` returns the speed of matrix products; it is
    called only on a processor with bfloat16 multiplication, or with unknown features.
    """
    if asked != "auto":
        return NumberFormat(asked, "asked")
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return NumberFormat("bfloat16" if native else "float32", "gpu")
    features = cpu_features()
    if features and not cpu_multiplies_bfloat16(features):
        return NumberFormat("float32", "features")
    found = rates(Product(ROWS[use], *model_widths(model)))
    faster = found.bfloat16 >= MARGIN * found.float32
    return NumberFormat("bfloat16" if faster else "float32", "measured", asdict(found))


def resumed_format(asked: str, work: Path, choose: Callable[[], NumberFormat]) -> NumberFormat:
    """Returns the number format for the work in the folder `work`: `asked`, if it is not `auto`, or else the
    format that the work was started with.

    New work gets the format that `choose` returns, and a record of it. So resumed work keeps its format,
    although a new measurement or another machine might choose another one.
    """
    if asked != "auto":
        return choose_format(asked)
    file = work / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["dtype"] in ("bfloat16", "float32"):
            return NumberFormat(record["dtype"], str(record["reason"]), record.get("gflops"))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # There is no record yet, or it is unreadable.
    chosen = choose()
    work.mkdir(parents=True, exist_ok=True)
    write_json(file, chosen.to_json())
    return chosen


def model_widths(model: str) -> tuple[int, int]:
    """Returns a model's hidden and intermediate width; those of SmolLM2-135M if the model has no readable
    configuration."""
    default = Product(())
    if not model:
        return default.hidden, default.intermediate
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model).get_text_config()
        hidden = int(config.hidden_size)
        return hidden, int(getattr(config, "intermediate_size", None) or 4 * hidden)
    except Exception:  # Loading the model itself reports what is wrong with it.
        return default.hidden, default.intermediate


def cpu_features() -> Mapping[str, Any]:
    """Returns the processor features that torch reports; empty if this version of torch reports none."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    return dict(ask()) if ask else {}


def cpu_multiplies_bfloat16(features: Mapping[str, Any]) -> bool:
    """Whether the processor has dedicated units for bfloat16 matrix products."""
    return any(features.get(name) for name in MULTIPLIES_BFLOAT16)


def dtype_name(dtype: torch.dtype) -> str:
    """Returns the name of a format: `torch.bfloat16` -> `bfloat16`."""
    return str(dtype).removeprefix("torch.")
