"""Memory of this process and of this machine, on Linux, macOS and Windows.

Every figure is None where the system does not report it: psutil is used if it is installed, then the
interfaces of the system.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files of Linux with the memory limit of this container and the memory that it uses, in bytes."""


def peak_memory_mb() -> int | None:
    """Returns the largest resident memory of this process so far, in MB (2**20 bytes)."""
    try:
        import resource
    except ImportError:  # Windows
        with contextlib.suppress(Exception):
            return int(_psutil().Process().memory_info().peak_wset) // 2**20
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux counts kilobytes
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit // 2**20


def available_memory() -> int | None:
    """Returns the number of bytes that programs can still use on this machine, or in this container."""
    found = [value for value in (_free(), _container_free()) if value is not None]
    return min(found) if found else None


def _free() -> int | None:
    with contextlib.suppress(Exception):
        return int(_psutil().virtual_memory().available)
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _container_free() -> int | None:
    for limit, used in CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            # Without a limit the file holds the word "max", which is no number.
            return max(0, int(Path(limit).read_text()) - int(Path(used).read_text()))
    return None


def _psutil() -> Any:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    return psutil
