"""Recognises errors of a full disk."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from pathlib import Path

FULL_DISK = re.compile(r"No space left on device|\d+ requested and \d+ written|file write failed")
"""Messages with which the system, numpy and torch report a full disk, for errors without an error number."""
LEAST_FREE = 4096
"""Number of free bytes below which a disk counts as full."""


def disk_is_full(error: BaseException, folder: Path) -> bool:
    """Whether `error` comes from a full disk under `folder`. The free space counts too, because some
    libraries raise errors that do not mention the disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if FULL_DISK.search(str(error)):
        return True
    with contextlib.suppress(OSError):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        return shutil.disk_usage(existing).free < LEAST_FREE
    return False
