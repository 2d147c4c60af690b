"""Finds the device and the number format to compute in. No setting chooses the device; a stage's setting
`dtype` may choose the number format. Every result records both.

bfloat16 is 3 to 4 times as fast as float32 on a processor with bfloat16 multiplication (AVX512-BF16, AMX,
Arm's BF16), and 3 to 5 times slower on other processors (measured in docs/log.md). By default bfloat16 is
therefore used only on hardware with this multiplication.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

MULTIPLIES_BFLOAT16 = ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16")
"""Processor features; any of them is enough for fast bfloat16."""


def find_device() -> torch.device:
    """Returns the first CUDA device; without CUDA, the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def find_dtype(asked: str = "auto") -> torch.dtype:
    """Returns the number format to compute in: `bfloat16`, `float32` or `auto`.

    `auto` takes bfloat16 if the device has units that multiply it, otherwise float32.
    """
    if asked != "auto":
        return torch.bfloat16 if asked == "bfloat16" else torch.float32
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if cpu_multiplies_bfloat16(cpu_features()) else torch.float32


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
