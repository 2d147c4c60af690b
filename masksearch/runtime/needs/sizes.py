"""Needs of disk and memory, estimated from the sizes of products.

The preflight adds up the disk space of all stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.runtime.needs import Fault
from masksearch.runtime.needs.memory import available_memory
from masksearch.runtime.needs.packages import installed


@dataclass(frozen=True)
class DiskSpace:
    """Bytes that a stage writes. The preflight compares the sum of a run with the free space."""

    kept: int
    """Bytes of the product."""
    passing: int = 0
    """Bytes of files that the stage removes at its end, such as a trainer's saved states."""
    rough: bool = False
    """Whether the figure is a guess, so that too little space is a warning only."""

    def faults(self) -> Sequence[Fault]:
        """Returns nothing: the preflight checks the sum."""
        return ()


@dataclass(frozen=True)
class Memory:
    """Bytes that a model takes at least, on the GPU if there is one."""

    bytes: int
    what: str
    """Subject of the sentence, such as "Training 7.6 billion parameters"."""
    remedy: str

    def faults(self) -> Sequence[Fault]:
        """Returns a warning if the device has less free memory. Estimates are rough, so it is never more."""
        free, where = free_memory()
        if free is None or self.bytes <= free:
            return ()
        message = (
            f"{self.what} takes about {gigabytes(self.bytes)} of memory at least, but {where} has "
            f"{gigabytes(free)} free; {self.remedy}."
        )
        return (Fault(message, warning=True),)


def free_memory() -> tuple[int | None, str]:
    """Returns the free bytes of the device that models run on, and the device's name for messages."""
    if installed("torch"):
        import torch

        if torch.cuda.is_available():
            return int(torch.cuda.mem_get_info()[0]), "the GPU"
    return available_memory(), "this machine"


def gigabytes(count: float) -> str:
    """Formats a number of bytes in GB: `0.5 GB`, `61 GB`."""
    value = count / 1e9
    return f"{value:.0f} GB" if value >= 10 else f"{value:.1f} GB"
