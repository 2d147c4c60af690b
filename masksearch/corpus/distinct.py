"""Set of seen ids for corpora of tens of millions of documents: 64-bit hashes in one flat table.

The open-addressing table doubles when it is three quarters full and costs 11 to 21 bytes per id (20 million
ids: 268 MB, and 402 MB during the last doubling; a Python set of the ids takes some 2.5 GB). Among n ids,
two share a hash with probability n^2 / 2^65: with 20 million ids, the chance that one good record is
dropped as a duplicate is about 1 in 90,000. A Bloom filter is not an alternative, because each of its many
false positives would drop a good record.
"""

from __future__ import annotations

import hashlib
from array import array

_START = 1 << 12
"""Number of slots of an empty table. It must be a power of two."""


class SeenIds:
    """A set of ids that can only grow. The same ids give the same results in every process."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _START))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, name: str) -> bool:
        """Adds an id; returns whether the id was new."""
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "little") or 1  # 0 marks a free slot
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
    """Puts a key into the first free slot, starting at the slot that the key's low bits give. Returns False
    if the table already has the key."""
    mask = len(slots) - 1
    place = key & mask
    while held := slots[place]:
        if held == key:
            return False
        place = (place + 1) & mask
    slots[place] = key
    return True
