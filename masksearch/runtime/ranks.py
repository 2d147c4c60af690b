"""Which of several processes this is, where a launcher (`accelerate launch`, `torchrun`) has started several of one command.

The first process (rank 0) makes folders, holds the lock, speaks and writes; the others only compute. Known from the environment alone, so that
nothing heavy is loaded to find out. What needs the processes to wait for each other is in train/together.py.
"""

from __future__ import annotations

import os

TRAINS = ("sft", "rl")
"""Stages that can be shared among processes."""


def rank() -> int:
    """The number of this process, from 0; 0 where there is one only."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that speaks and writes."""
    return rank() == 0
