"""Near-copies in a corpus, by MinHash over runs of five words: of each group the first passage is kept.

Mirrors, templates and quoted paragraphs would otherwise be masked again and again, and be each other's evidence.

    sketch   each passage becomes 128 bytes, the low bytes of 128 minima (Broder 1997; low bits: Li and Koenig 2010), written to a file
    compare  8 such bytes are one 64-bit word, so the sketch is 16 words; passages that share a word (a band) are compared by whole sketches
    decide   in order: a passage goes if it resembles an earlier one that stays, so likeness is never handed on along a chain

The share of equal bytes estimates the Jaccard similarity with a standard error of at most 0.045 (0.035 at 0.8). A pair at the threshold of
0.8 shares a band in 95 of 100 cases, one at 0.9 practically always; passages with the same words always do.

The minima come from rensa (Rust): three times as fast here as datasketch's bulk mode (92,000 and 31,000 passages of 30 words a second on
one core), wheels without dependencies, where datasketch brings scipy. Its own search for similar pairs holds all signatures in memory; this one
holds one band of at most PART passages, whatever the size of the corpus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from masksearch.runtime.files import remove
from masksearch.runtime.progress import Progress
from masksearch.runtime.workers import worker_pool
from masksearch.text.words import loose_words
from masksearch.types import Passage

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words64 = npt.NDArray[np.uint64]
Key = Callable[[Bytes], Words64]
"""What passages must have in common to be compared, worked out from their sketches."""

SHINGLE = 5
SLOTS = 128
"""Minima of a sketch; one byte is kept of each."""
PART = 1 << 22
"""Passages of a band that are sorted at a time."""
ROUNDS = 32
"""Passages that share a band are compared with the first of them, those unlike it with the first of the rest, and so on so often."""
SKETCHES = "sketches.u8"

_BATCH: Final = 2000
_BLOCK: Final = 1 << 16
_PAIRS: Final = 1 << 14
_SEED: Final = 42
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


def find_duplicates(passages: Sequence[Passage], threshold: float, work: Path, workers: int = 1) -> Flags:
    """One flag a passage: True where it resembles an earlier one that stays, by a Jaccard similarity of at least `threshold`.

    The same for any number of workers. Keeps its sketches in `work` while it runs: 128 bytes a passage.
    """
    work.mkdir(parents=True, exist_ok=True)
    path = work / SKETCHES
    try:
        with (
            open(path, "wb") as stream,
            Progress("Looking for near-copies", len(passages), "passages") as progress,
        ):
            for sketches in _sketch_all(passages, workers):
                stream.write(sketches.tobytes())
                progress.step(len(sketches))
        return _Search(path, len(passages), threshold).run()
    finally:
        remove(path)


# -- sketches ----------------------------------------------------------------------------------------------------------


def shingles(text: str, language: str = "") -> list[str]:
    """Every run of five words; of a shorter text the whole."""
    words = loose_words(text, language)
    if len(words) <= SHINGLE:
        return [" ".join(words) or text]
    return list(map(" ".join, zip(*(words[place:] for place in range(SHINGLE)), strict=False)))


def sketch(texts: Sequence[tuple[str, str]]) -> Bytes:
    """One row of 128 bytes for each (text, language)."""
    from rensa import RMinHash

    digests = RMinHash.digests_from_token_sets(
        [shingles(text, language) for text, language in texts], SLOTS, _SEED
    )
    return np.asarray(digests, dtype=np.uint32).astype(np.uint8)


def _sketch_all(passages: Sequence[Passage], workers: int) -> Iterator[Bytes]:
    """The sketches of all passages in order, a batch at a time."""
    batches = (
        [(passage.text, passage.language) for passage in passages[start : start + _BATCH]]
        for start in range(0, len(passages), _BATCH)
    )
    if workers == 1:
        yield from map(sketch, batches)
        return
    waiting: deque[Future[Bytes]] = deque()
    with worker_pool(workers) as pool:
        for batch in batches:
            waiting.append(pool.submit(sketch, batch))
            if len(waiting) > 2 * workers:  # no more texts in memory than keep the processes busy
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# -- comparing ---------------------------------------------------------------------------------------------------------


def band_bytes(threshold: float) -> int:
    """Bytes of a band: the most of 8, 4, 2 and 1 with which a pair at the threshold shares one of the 128 / bytes bands in 9 of 10 cases."""
    return next((size for size in (8, 4, 2) if 1 - (1 - threshold**size) ** (SLOTS // size) >= 0.9), 1)


class _Search:
    """Finds the near-copies among sketches on disk."""

    def __init__(self, path: Path, count: int, threshold: float) -> None:
        self.path, self.count, self.threshold = path, count, threshold
        self.size = band_bytes(threshold)
        self.kept: Flags = np.ones(count, dtype=np.bool_)

    def run(self) -> Flags:
        """Those alike in every byte first; then band by band, and again around passages that had only been compared with ones that then went."""
        self._decide(self._pairs(_whole, self.kept))
        active = self.kept
        while active.any():
            pairs = np.empty(0, dtype=np.uint64)
            for band in range(SLOTS // self.size):
                pairs = np.union1d(pairs, self._pairs(partial(_band, band=band, size=self.size), active))
            active = self._decide(pairs)
        return ~self.kept

    def _decide(self, pairs: Words64) -> Flags:
        """Goes through similar pairs in the order of the later one; returns the passages that stay although an earlier one like them went."""
        orphans = np.zeros(self.count, dtype=np.bool_)
        for pair in pairs.tolist():
            later, earlier = pair >> 32, pair & 0xFFFFFFFF
            if self.kept[earlier]:
                self.kept[later] = False
            else:
                orphans[later] = True
        return orphans & self.kept

    def _pairs(self, key: Key, active: Flags) -> Words64:
        """Similar pairs (later << 32 | earlier) of passages that stay, have the same key and one of whose group is active; sorted."""
        parts = -(-self.count // PART)
        found = [np.empty(0, dtype=np.uint64)]
        for part in range(parts):
            rows, groups = _groups(*self._keys(key, part, parts), active)
            found += self._compare(rows, groups)
        return np.unique(np.concatenate(found))

    def _keys(self, key: Key, part: int, parts: int) -> tuple[Rows, Words64]:
        """The passages that stay and whose key falls in this part, with their keys."""
        rows, keys = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.uint64)]
        for start in range(0, self.count, _BLOCK):
            number = min(_BLOCK, self.count - start)
            block = np.fromfile(
                self.path, dtype=np.uint8, count=number * SLOTS, offset=start * SLOTS
            ).reshape(number, SLOTS)
            values = key(block)
            chosen = self.kept[start : start + number].copy()
            if parts > 1:
                chosen &= (values * _ODD >> np.uint64(32)) % np.uint64(parts) == part
            rows.append(np.flatnonzero(chosen) + start)
            keys.append(values[chosen])
        return np.concatenate(rows), np.concatenate(keys)

    def _compare(self, rows: Rows, groups: Rows) -> Iterator[Words64]:
        """Compares the passages of each group with its first; those unlike it with the first of the rest; and so on."""
        for _ in range(ROUNDS):
            if not len(rows):
                return
            leads = np.flatnonzero(np.diff(groups, prepend=-1))
            leaders = np.repeat(rows[leads], np.diff(leads, append=len(rows)))
            others = leaders != rows
            rows, groups, leaders = rows[others], groups[others], leaders[others]
            alike = self._alike(leaders, rows)
            yield rows[alike].astype(np.uint64) << np.uint64(32) | leaders[alike].astype(np.uint64)
            rows, groups = rows[~alike], groups[~alike]

    def _alike(self, first: Rows, second: Rows) -> Flags:
        """Whether the sketches of two rows agree in at least the threshold's share of their bytes."""
        alike = np.empty(len(first), dtype=np.bool_)
        for start in range(0, len(first), _PAIRS):
            # Mapped anew each time, so that pages that were looked at do not add up.
            sketches = np.memmap(self.path, dtype=np.uint8, mode="r", shape=(self.count, SLOTS))
            part = slice(start, start + _PAIRS)
            alike[part] = (sketches[first[part]] == sketches[second[part]]).mean(axis=1) >= self.threshold
        return alike


def _whole(block: Bytes) -> Words64:
    """A hash of the whole sketch."""
    factors = np.cumprod(np.full(SLOTS // 8, _ODD))
    hashes: Words64 = (block.view(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    return hashes


def _band(block: Bytes, band: int, size: int) -> Words64:
    """The bytes of one band as a number."""
    return block.view(np.dtype(f"u{size}"))[:, band].astype(np.uint64)


def _groups(rows: Rows, keys: Words64, active: Flags) -> tuple[Rows, Rows]:
    """The rows that share their key with another one, where one of them is active: group by group, ascending, with the group's number."""
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    groups = (
        np.cumsum(np.concatenate([[False], keys[1:] != keys[:-1]]))
        if len(keys)
        else np.empty(0, dtype=np.int64)
    )
    wanted = (np.bincount(groups) > 1) & (np.bincount(groups, weights=active[rows]) > 0)
    chosen = wanted[groups]
    return rows[chosen], groups[chosen]
