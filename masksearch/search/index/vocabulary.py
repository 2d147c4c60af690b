"""Which number a term has, for any number of terms, without their text in memory.

A term is known by 64 bits of its BLAKE2b hash. The hashes lie sorted in one array and the terms' numbers in another, both memory-mapped where they
come from an index on disk: opening costs nothing, a look-up is one binary search. Of ten million terms two share a hash with a probability of 3 in
a million (n^2 / 2^65); they would be taken for one.
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
"""What the two files of an index's vocabulary are called after."""

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int32]


def term_hashes(terms: Collection[str]) -> Hashes:
    """uint64, one for each term."""
    digests = b"".join(
        blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest() for term in terms
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64, copy=False)


@dataclass(frozen=True)
class Vocabulary:
    """Hashes in ascending order, and the number of the term at each place."""

    hashes: Hashes
    numbers: Ints

    @classmethod
    def of(cls, terms: Collection[str]) -> Vocabulary:
        """Terms that are numbered in their order."""
        return cls.of_hashes(term_hashes(terms))

    @classmethod
    def of_hashes(cls, hashes: Hashes) -> Vocabulary:
        """As `of`, where the hashes are at hand. Of equal ones the first is found."""
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], order.astype(np.int32))

    @classmethod
    def load(cls, folder: Path, name: str = TERMS) -> Vocabulary:
        """What `save` wrote, memory-mapped."""
        hashes, numbers = (np.asarray(np.load(path, mmap_mode="r")) for path in _files(folder, name))
        if len(hashes) != len(numbers):
            raise ValueError(f"the two files of its {name} do not fit together")
        return cls(hashes, numbers)

    def save(self, folder: Path, name: str = TERMS) -> None:
        """Writes the two arrays."""
        hashes, numbers = _files(folder, name)
        np.save(hashes, self.hashes)
        np.save(numbers, self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def find(self, hashes: Hashes) -> Ints:
        """int32: the number of the term with each hash; -1 where there is none."""
        if not len(self):
            return np.full(len(hashes), -1, dtype=np.int32)
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self) - 1)
        return np.where(self.hashes[places] == hashes, self.numbers[places], np.int32(-1)).astype(np.int32)

    def known(self, terms: Collection[str]) -> list[int]:
        """The numbers of those terms that there are."""
        return [number for number in self.find(term_hashes(terms)).tolist() if number >= 0]

    def with_more(self, hashes: Hashes) -> Vocabulary:
        """With terms that are not in it yet; they get the next numbers, in their order."""
        order = np.argsort(hashes, kind="stable")
        places = np.searchsorted(self.hashes, hashes[order])
        numbers = (len(self) + order).astype(np.int32)
        return Vocabulary(
            np.insert(self.hashes, places, hashes[order]), np.insert(self.numbers, places, numbers)
        )


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.hashes.npy", folder / f"{name}.numbers.npy"


class GrowingVocabulary:
    """Numbers terms in order of appearance, over any number of runs; their text goes to a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.terms = Vocabulary.of(())
        self._texts = folder / "terms.txt"

    def add(self, terms: Sequence[str]) -> Ints:
        """int32: the number of each of the terms, which differ from one another; new ones get the next numbers."""
        hashes = term_hashes(terms)
        numbers = self.terms.find(hashes)
        new = np.flatnonzero(numbers < 0)
        with open(self._texts, "a", encoding="ascii") as stream:
            stream.writelines(json.dumps(terms[place]) + "\n" for place in new.tolist())
        numbers[new] = len(self.terms) + np.arange(len(new), dtype=np.int32)
        self.terms = self.terms.with_more(hashes[new])
        return numbers

    def write_json(self, path: Path) -> None:
        """Writes {term: number} as bm25s keeps it, one term in memory at a time."""
        with open(self._texts, encoding="ascii") as texts, open(path, "w", encoding="ascii") as stream:
            stream.writelines(_entries(texts))


def _entries(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield f"{', ' if number else '{'}{text.rstrip()}: {number}"
    yield "}"
