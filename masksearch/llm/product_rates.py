"""Measures how fast the processor multiplies matrices in float32 and in bfloat16.

Processor flags do not tell: of two processors with the same flags (AVX512-BF16, no AMX), one multiplied
2,760 x 576 x 1,536 at 324 GFLOP/s in float32 and 166 in bfloat16, the other at 182 and 393. So the products
of the model are timed, with as many rows as the computation has. This takes about a fifth of a second.

The rates are kept in the user's cache folder (`rates_folder`), one file per processor, number of threads,
version of torch and shape of the products. A file that cannot be read is measured again.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from masksearch.runtime.files import hash_json, write_json

Use = Literal["training", "decoding"]
ROWS: dict[Use, tuple[int, ...]] = {"training": (2760,), "decoding": (48, 192)}
"""Rows of the products of each use. training: 8 trajectories of 345 tokens. decoding: one token of each of 48
sequences, and the tokens that are read (prompts and results) for each token that is written, about four."""
FORMATS = (torch.float32, torch.bfloat16)
REPETITIONS = 4
"""Repetitions of each product in each format; the formats take turns, and the fastest repetition counts."""
WORK = 5e9
"""Floating-point operations of a repetition: a product with many columns is cut to this, one with few rows is
repeated with other weights."""
WEIGHTS = 18
"""Maximum number of weight matrices that a repetition multiplies, so that they come from memory and not from
the cache, as in decoding."""
IN_CPUINFO = (
    *("vendor_id", "cpu family", "model", "model name", "stepping", "cache size"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision"),
)
"""Lines of /proc/cpuinfo that name a processor, on x86 and on Arm."""
Timer = Callable[[Callable[[], Any]], float]


@dataclass(frozen=True)
class Product:
    """Shape of the products to time: rows x hidden times hidden x intermediate."""

    rows: tuple[int, ...]
    hidden: int = 576
    intermediate: int = 1536


@dataclass(frozen=True)
class Rates:
    """GFLOP/s of the products in each format."""

    float32: float
    bfloat16: float


def measured_rates(product: Product, timer: Timer | None = None) -> Rates:
    """Returns the rates of this processor: the kept ones, or else new measurements, which it then keeps."""
    key = rates_key(product)
    file = rates_folder() / f"{hash_json(key)[:16]}.json"
    kept = _read(file, key)
    if kept is not None:
        return kept
    rates = measure_rates(product, timer or seconds_of)
    with contextlib.suppress(OSError):  # A folder that cannot be written costs a measurement per command.
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"key": key, "gflops": asdict(rates)})
    return rates


def rates_key(product: Product) -> dict[str, Any]:
    """Returns what the rates depend on, as JSON values."""
    return {
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        **json.loads(json.dumps(asdict(product))),
    }


def _read(file: Path, key: dict[str, Any]) -> Rates | None:
    """Returns the rates that `file` keeps for `key`; None if there are none, or if they are unreadable."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        rates = Rates(**{name: float(value) for name, value in record["gflops"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    usable = all(math.isfinite(rate) and rate > 0 for rate in asdict(rates).values())
    return rates if usable and record["key"] == key else None


def measure_rates(product: Product, timer: Timer) -> Rates:
    """Times the products in both formats in turns. `timer` returns the seconds that a function takes."""
    operations, seconds = 0.0, dict.fromkeys(FORMATS, 0.0)
    for rows in product.rows:
        columns = min(product.intermediate, max(256, int(WORK / (2 * rows * product.hidden))))
        one = 2.0 * rows * product.hidden * columns
        weights = max(1, min(WEIGHTS, int(WORK / one)))
        works = {dtype: _work(rows, product.hidden, columns, weights, dtype) for dtype in FORMATS}
        best = dict.fromkeys(FORMATS, math.inf)
        for _ in range(REPETITIONS):
            for dtype, work in works.items():
                best[dtype] = min(best[dtype], timer(work))
        operations += one
        for dtype in FORMATS:
            seconds[dtype] += max(best[dtype], 1e-9) / weights
    rates = {dtype: float(f"{operations / seconds[dtype] / 1e9:.4g}") for dtype in FORMATS}
    return Rates(float32=rates[torch.float32], bfloat16=rates[torch.bfloat16])


def _work(
    rows: int, hidden: int, columns: int, weights: int, dtype: torch.dtype
) -> Callable[[], torch.Tensor | None]:
    """Returns a function that multiplies (rows, hidden) by each of `weights` matrices (hidden, columns)."""
    left = torch.full((rows, hidden), 0.5, dtype=dtype)
    matrices = torch.full((weights, columns, hidden), 0.01, dtype=dtype)

    @torch.inference_mode()
    def multiply() -> torch.Tensor | None:
        product = None
        for matrix in matrices:
            product = torch.nn.functional.linear(left, matrix)  # (rows, columns)
        return product

    return multiply


def seconds_of(work: Callable[[], Any]) -> float:
    """Runs `work` and returns its seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def processor_name() -> str:
    """Returns the processor's maker, family, model and cache.

    The name alone is not enough: virtual machines call different processors by one name.
    """
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in IN_CPUINFO:
                found.setdefault(name.strip(), value.strip())
    parts = [f"{name} {value}" for name, value in sorted(found.items())]
    return ", ".join(parts) or platform.processor() or platform.machine()


def rates_folder() -> Path:
    """Returns the folder of the kept rates, inside the user's cache folder."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "masksearch" / "product-rates"
