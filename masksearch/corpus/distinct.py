"""Which ids were seen, for corpora of tens of millions of documents: 64-bit hashes in one flat table.

An open-addressing table that doubles when three quarters full costs 11 to 21 bytes an id (20 million ids: 268 MB, and 402 MB for the moment
of the last doubling; a Python set of the ids takes some 2.5 GB). Two different ids share a hash with a chance of n^2 / 2^65: about 1 in 90,000
that a single good record among 20 million is taken for a repeated one. Why no Bloom filter: it would drop good records all along.
"""

from __future__ import annotations

import hashlib
from array import array

_START = 1 << 12


class SeenIds:
    """A set of ids that can only grow. The same ids give the same answers in every process."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _START))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, name: str) -> bool:
        """Adds an id; whether it was new."""
        key = (
            int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
        )  # 0 marks a free slot
        if not _put(self._slots, key):
            return False
        self._count += 1
        if 4 * self._count > 3 * len(self._slots):
            self._double()
        return True

    def _double(self) -> None:
        slots = array("Q", bytes(16 * len(self._slots)))
        for key in self._slots:
            if key:
                _put(slots, key)
        self._slots = slots


def _put(slots: array[int], key: int) -> bool:
    """Puts a key into the first free slot from its own place on; False if it is there already."""
    mask = len(slots) - 1
    place = key & mask
    while held := slots[place]:
        if held == key:
            return False
        place = (place + 1) & mask
    slots[place] = key
    return True
