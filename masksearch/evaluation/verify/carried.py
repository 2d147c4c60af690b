"""What a results file carries so that others can verify it, besides hashes of what it was made from."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

from masksearch.runtime.files import hash_file

TRAJECTORIES = "trajectories.jsonl"
CPUINFO = Path("/proc/cpuinfo")


def carried(work: Path) -> dict[str, Any]:
    """Returns the hash of the trajectories in an evaluation's folder, and the machine that computed them."""
    return {"trajectories_hash": hash_file(work / TRAJECTORIES), "machine": machine()}


def machine() -> dict[str, Any]:
    """Returns the processor, the number of threads and the GPU, on which the last bits of a score depend."""
    torch = sys.modules.get("torch")  # an evaluation of an endpoint does not load it
    found: dict[str, Any] = {"processor": processor(), "system": platform.system()}
    if torch is not None:
        found["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name()
    return found


def processor() -> str:
    """Returns the processor's name, or its architecture where the system does not tell the name."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return name or platform.processor() or platform.machine()
