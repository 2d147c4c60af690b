"""Rank and number of the processes that a launcher (`accelerate launch`, `torchrun`) started for one
command.

Rank 0 makes folders, holds the lock, prints and writes; the other ranks only compute. The rank is read from
the environment, so no heavy library is loaded to find it. Barriers and collective operations are in
train/distributed.py.
"""

from __future__ import annotations

import os

TRAINS = ("sft", "rl")
"""Kinds of stages that several processes of a launcher can run together."""


def rank() -> int:
    """Returns the rank of this process, from 0; 0 if there is only one process."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def count() -> int:
    """Returns the number of processes that run this command; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is rank 0, which prints and writes."""
    return rank() == 0
