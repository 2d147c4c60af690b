"""Looks up the numbers of terms by hash, without the text of the terms in memory.

A term is identified by 64 bits of its BLAKE2b hash. One array holds the sorted hashes and another the
numbers of their terms. Both are memory-mapped for an index on disk: opening it reads no data, and a
lookup is one binary search. Among ten million terms, two share a hash with a probability of 3 in a
million (n^2 / 2^65); such terms would be treated as the same term.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

TERMS = "terms"
"""Base name of the two files of an index's vocabulary."""

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int32]


def term_hashes(terms: Collection[str]) -> Hashes:
    """Returns uint64 (terms,): the hash of each term."""
    digests = b"".join(
        blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest() for term in terms
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64, copy=False)


@dataclass(frozen=True)
class Vocabulary:
    """Maps hashes of terms to numbers."""

    hashes: Hashes
    """uint64 (terms,), ascending."""
    numbers: Ints
    """int32 (terms,): the number of the term with each hash."""

    @classmethod
    def of(cls, terms: Collection[str]) -> Vocabulary:
        """Numbers the given terms in order."""
        return cls.of_hashes(term_hashes(terms))

    @classmethod
    def of_hashes(cls, hashes: Hashes) -> Vocabulary:
        """Numbers terms, given by their hashes, in order. `find` returns the number of the first of equal
        hashes."""
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], order.astype(np.int32))

    @classmethod
    def load(cls, folder: Path, name: str = TERMS) -> Vocabulary:
        """Loads the files that `save` wrote, memory-mapped. Raises ValueError if their lengths differ."""
        hashes, numbers = (np.asarray(np.load(path, mmap_mode="r")) for path in _files(folder, name))
        if len(hashes) != len(numbers):
            raise ValueError(f"the two files of its {name} have different lengths")
        return cls(hashes, numbers)

    def save(self, folder: Path, name: str = TERMS) -> None:
        """Writes the two arrays as .npy files."""
        hashes, numbers = _files(folder, name)
        np.save(hashes, self.hashes)
        np.save(numbers, self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def find(self, hashes: Hashes) -> Ints:
        """Returns int32 (hashes,): the number of the term with each hash, or -1 if the hash is unknown."""
        if not len(self):
            return np.full(len(hashes), -1, dtype=np.int32)
        # (hashes,): the index of each known hash in `self.hashes`. An unknown hash gets the index of another
        # hash, and the comparison below tells the two apart.
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self) - 1)
        return np.where(self.hashes[places] == hashes, self.numbers[places], np.int32(-1)).astype(np.int32)

    def known(self, terms: Collection[str]) -> list[int]:
        """Returns the numbers of the known `terms`, in the order of `terms`."""
        return [number for number in self.find(term_hashes(terms)).tolist() if number >= 0]

    def with_more(self, hashes: Hashes) -> Vocabulary:
        """Returns a vocabulary that also has new terms, given by their hashes. They get the next numbers in
        order."""
        order = np.argsort(hashes, kind="stable")
        places = np.searchsorted(self.hashes, hashes[order])
        numbers = (len(self) + order).astype(np.int32)
        return Vocabulary(
            np.insert(self.hashes, places, hashes[order]), np.insert(self.numbers, places, numbers)
        )


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.hashes.npy", folder / f"{name}.numbers.npy"


class GrowingVocabulary:
    """Numbers terms in order of appearance over several calls of `add`; writes their text to a file in
    `folder`."""

    def __init__(self, folder: Path) -> None:
        self.terms = Vocabulary.of(())
        self._texts = folder / "terms.txt"

    def add(self, terms: Sequence[str]) -> Ints:
        """Returns int32 (terms,): the number of each term. New terms get the next numbers.

        `terms` has no duplicates.
        """
        hashes = term_hashes(terms)
        numbers = self.terms.find(hashes)
        new = np.flatnonzero(numbers < 0)
        with open(self._texts, "a", encoding="ascii", newline="\n") as stream:
            stream.writelines(json.dumps(terms[place]) + "\n" for place in new.tolist())
        numbers[new] = len(self.terms) + np.arange(len(new), dtype=np.int32)
        self.terms = self.terms.with_more(hashes[new])
        return numbers

    def write_json(self, path: Path) -> None:
        """Writes {term: number} in the file format of bm25s, with one term in memory at a time."""
        with (
            open(self._texts, encoding="ascii") as texts,
            open(path, "w", encoding="ascii", newline="\n") as stream,
        ):
            stream.writelines(_entries(texts))


def _entries(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield f"{', ' if number else '{'}{text.rstrip()}: {number}"
    yield "}"
