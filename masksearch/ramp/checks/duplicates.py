"""Finds near-copies by MinHash over runs of five words; the first of similar passages is kept.

Corpora contain copied articles, templates and quoted paragraphs. Without this filter, the same text would
be masked repeatedly, and one copy would be evidence for another.

    sketch   The sketch of a passage is 128 bytes: the low bytes of its 128 MinHash minima (Broder 1997; low
             bits: Li and Koenig 2010). All sketches are written to a file.
    compare  A sketch is cut into 16 bands of 8 bytes (more and shorter bands at low thresholds). Passages
             with an equal band are compared by their whole sketches.
    decide   In corpus order: a passage is dropped if it resembles an earlier passage that is kept.
             Similarity to a dropped passage does not count, so that chains of similar passages do not
             collapse into one.

The share of equal bytes in two sketches estimates the Jaccard similarity of the passages. The standard
error is at most 0.045 (0.035 at a similarity of 0.8). With a threshold of 0.8, a pair of similarity 0.8
shares a band in 95 of 100 cases, a pair of similarity 0.9 almost always, and passages with the same words
always.

rensa (Rust) computes the minima: three times as fast as datasketch's bulk mode (92,000 against 31,000
passages of 30 words a second on one core), and its wheels have no dependencies, while datasketch needs
scipy. rensa's own search for similar pairs keeps the minima of all passages in memory. This module keeps
one band of at most PART passages in memory, for any corpus size.
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
"""Maps sketches (passages, SLOTS) to keys (passages,); only passages with equal keys are compared."""

SHINGLE = 5
"""Number of words per run; two passages are similar if they share many runs."""
SLOTS = 128
"""Number of MinHash minima per sketch; the sketch keeps the low byte of each."""
PART = 1 << 22
"""Number of passages whose bands are sorted at a time."""
ROUNDS = 32
"""Maximum number of rounds of comparison within a group of passages that share a band. Each round compares
the remaining passages of the group with the first one of them."""
SKETCHES = "sketches.u8"

_BATCH: Final = 2000  # number of passages per call of `sketch`
_BLOCK: Final = 1 << 16  # number of sketches read from disk at a time
_PAIRS: Final = 1 << 14  # number of pairs of sketches compared at a time
_SEED: Final = 42
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


def find_duplicates(passages: Sequence[Passage], threshold: float, work: Path, workers: int = 1) -> Flags:
    """Returns flags (passages,): True for a near-copy, which is dropped.

    A near-copy has a Jaccard similarity of at least `threshold` to an earlier passage that is kept.

    The result is the same for any number of workers. During the search, `work` holds the sketches: 128
    bytes per passage.
    """
    work.mkdir(parents=True, exist_ok=True)
    path = work / SKETCHES
    try:
        with (
            open(path, "wb") as stream,
            Progress("Finding near-copies", len(passages), "passages") as progress,
        ):
            for sketches in _sketch_all(passages, workers):
                stream.write(sketches.tobytes())
                progress.step(len(sketches))
        return _Search(path, len(passages), threshold).run()
    finally:
        remove(path)


# -- sketches
# ----------------------------------------------------------------------------------------------------------


def shingles(text: str, language: str = "") -> list[str]:
    """Returns every run of five words; a text of fewer words is returned as one run."""
    words = loose_words(text, language)
    if len(words) <= SHINGLE:
        return [" ".join(words) or text]
    return list(map(" ".join, zip(*(words[place:] for place in range(SHINGLE)), strict=False)))


def sketch(texts: Sequence[tuple[str, str]]) -> Bytes:
    """Returns the sketches (texts, SLOTS) of texts given as (text, language)."""
    from rensa import RMinHash

    digests = RMinHash.digests_from_token_sets(
        [shingles(text, language) for text, language in texts], SLOTS, _SEED
    )
    return np.asarray(digests, dtype=np.uint32).astype(
        np.uint8
    )  # (texts, SLOTS), the low byte of each minimum


def _sketch_all(passages: Sequence[Passage], workers: int) -> Iterator[Bytes]:
    """Yields the sketches of all passages in order, as arrays of shape (passages of a batch, SLOTS)."""
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
            if len(waiting) > 2 * workers:  # limits the number of texts in memory
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# -- comparing
# ---------------------------------------------------------------------------------------------------------


def band_bytes(threshold: float) -> int:
    """Returns the number of bytes per band: the largest of 8, 4, 2 and 1 that finds 9 of 10 similar pairs.

    The 9 of 10 hold for pairs whose similarity equals the threshold. Pairs above it are found more often.

    A pair of Jaccard similarity s shares at least one of the 128 / b bands of b bytes with probability
    1 - (1 - s^b)^(128 / b).
    """
    for size in (8, 4, 2):
        if 1 - (1 - threshold**size) ** (SLOTS // size) >= 0.9:
            return size
    return 1


class _Search:
    """The search for near-copies among `count` sketches on disk."""

    def __init__(self, path: Path, count: int, threshold: float) -> None:
        self.path, self.count, self.threshold = path, count, threshold
        self.size = band_bytes(threshold)
        self.kept: Flags = np.ones(count, dtype=np.bool_)  # (passages,)

    def run(self) -> Flags:
        """Drops passages with equal sketches first, then compares band by band.

        All bands are compared again as long as there are orphans. An orphan is a kept passage that resembles
        an earlier passage which was then dropped. The orphan may also resemble a kept passage with which it
        has not been compared yet. Returns flags (passages,), True for the dropped passages.
        """
        self._decide(self._pairs(_whole, self.kept))
        active = self.kept  # (passages,): passages whose groups are compared in this pass
        while active.any():
            pairs = np.empty(0, dtype=np.uint64)
            for band in range(SLOTS // self.size):
                pairs = np.union1d(pairs, self._pairs(partial(_band, band=band, size=self.size), active))
            active = self._decide(pairs)
        return ~self.kept

    def _decide(self, pairs: Words64) -> Flags:
        """Drops the later passage of each pair whose earlier passage is kept; returns orphans (passages,).

        `pairs` (pairs,) is sorted by the later passage, so that the earlier passage is already decided.
        """
        orphans = np.zeros(self.count, dtype=np.bool_)
        for pair in pairs.tolist():
            later, earlier = pair >> 32, pair & 0xFFFFFFFF
            if self.kept[earlier]:
                self.kept[later] = False
            else:
                orphans[later] = True
        return orphans & self.kept

    def _pairs(self, key: Key, active: Flags) -> Words64:
        """Returns the sorted similar pairs (pairs,) of kept passages, each as later << 32 | earlier.

        Passages with equal keys form a group. The passages of a group are compared if one of them is active.
        """
        parts = -(-self.count // PART)
        found = [np.empty(0, dtype=np.uint64)]
        for part in range(parts):
            rows, groups = _groups(*self._keys(key, part, parts), active)
            found += self._compare(rows, groups)
        return np.unique(np.concatenate(found))

    def _keys(self, key: Key, part: int, parts: int) -> tuple[Rows, Words64]:
        """Returns the rows and keys of the kept passages of one part, both (passages of the part,).

        The passages are divided into `parts` parts to save memory. A hash of the key decides the part, so
        that passages with equal keys are in the same part.
        """
        rows, keys = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.uint64)]
        for start in range(0, self.count, _BLOCK):
            number = min(_BLOCK, self.count - start)
            block = np.fromfile(
                self.path, dtype=np.uint8, count=number * SLOTS, offset=start * SLOTS
            ).reshape(number, SLOTS)
            values = key(block)  # (number,)
            chosen = self.kept[start : start + number].copy()
            if parts > 1:
                chosen &= (values * _ODD >> np.uint64(32)) % np.uint64(parts) == part
            rows.append(np.flatnonzero(chosen) + start)
            keys.append(values[chosen])
        return np.concatenate(rows), np.concatenate(keys)

    def _compare(self, rows: Rows, groups: Rows) -> Iterator[Words64]:
        """Yields the similar pairs of each group of passages with equal keys.

        `rows` (members,) holds the row number of each member, and `groups` (members,) its group; both are
        sorted by group. Each round compares every member with the first member of its group. Then it
        removes the first member and all members similar to it.
        """
        for _ in range(ROUNDS):
            if not len(rows):
                return
            leads = np.flatnonzero(np.diff(groups, prepend=-1))  # (groups,): where each group starts
            leaders = np.repeat(
                rows[leads], np.diff(leads, append=len(rows))
            )  # (members,): the first member of each member's group
            others = leaders != rows
            rows, groups, leaders = rows[others], groups[others], leaders[others]
            alike = self._alike(leaders, rows)  # (members,)
            yield rows[alike].astype(np.uint64) << np.uint64(32) | leaders[alike].astype(np.uint64)
            rows, groups = rows[~alike], groups[~alike]

    def _alike(self, first: Rows, second: Rows) -> Flags:
        """Returns flags (pairs,): True if enough bytes of the two sketches are equal for the threshold."""
        alike = np.empty(len(first), dtype=np.bool_)
        for start in range(0, len(first), _PAIRS):
            # A new map for each block of pairs, so that pages read earlier do not stay in memory.
            sketches = np.memmap(self.path, dtype=np.uint8, mode="r", shape=(self.count, SLOTS))
            part = slice(start, start + _PAIRS)
            equal = sketches[first[part]] == sketches[second[part]]  # (pairs of the block, SLOTS)
            alike[part] = equal.mean(axis=1) >= self.threshold
        return alike


def _whole(block: Bytes) -> Words64:
    """Hashes whole sketches, to find equal ones: (passages, SLOTS) uint8 -> (passages,) uint64."""
    factors = np.cumprod(np.full(SLOTS // 8, _ODD))  # (SLOTS / 8,): powers of _ODD modulo 2^64
    hashes: Words64 = (block.view(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    return hashes


def _band(block: Bytes, band: int, size: int) -> Words64:
    """Returns the bytes of one band as a number: (passages, SLOTS) uint8 -> (passages,) uint64."""
    return block.view(np.dtype(f"u{size}"))[:, band].astype(np.uint64)


def _groups(rows: Rows, keys: Words64, active: Flags) -> tuple[Rows, Rows]:
    """Groups passages by equal keys: returns their rows and group numbers, sorted by group, then by row.

    Both results are (members,); `rows` and `keys` are (passages of the part,). A row is the number of a
    passage. Groups of one row and groups without an active row are left out.
    """
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    if not len(keys):
        return rows, np.empty(0, dtype=np.int64)
    groups = np.cumsum(np.concatenate([[False], keys[1:] != keys[:-1]]))
    wanted = (np.bincount(groups) > 1) & (np.bincount(groups, weights=active[rows]) > 0)  # (groups,)
    chosen = wanted[groups]  # (passages of the part,)
    return rows[chosen], groups[chosen]
