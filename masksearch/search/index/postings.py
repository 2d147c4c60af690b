"""Postings and id order of any number of passages, made with flat memory.

    occurrences (term, row, count)  ->  runs on disk, each sorted by term  ->  merged, one range of terms after another

The scores are BM25's as bm25s computes them (its method `lucene`: IDF log(1 + (N - df + 0.5) / (df + 0.5)), term part
tf / (tf + k1 (1 - b + b l / mean l))), to the last bit, and stand in files of its format. What grows with the corpus in memory: 8 bytes a passage, and some
40 bytes a term of the vocabulary (at most; while it is extended).
"""

from __future__ import annotations

import heapq
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from masksearch.errors import DataError
from masksearch.search.index.vocabulary import GrowingVocabulary

RUN = 1 << 22
"""Occurrences (12 bytes each) sorted in memory at a time."""
ID_RUN = 500_000
"""Passage ids sorted in memory at a time."""

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class Postings:
    """Takes each passage's terms in order of the rows, then writes scores and rows by term. Its runs lie in `folder`, which it does not remove."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vocabulary = GrowingVocabulary(folder)
        """Terms in order of appearance, first of all "", which stands in passages without any term."""
        self.lengths = array("i")
        """Terms of each passage."""
        self._frequencies = np.zeros(0, dtype=np.int32)
        self._numbers = {"": 0}
        """Terms of this run, numbered by themselves."""
        self._distinct = array("i")
        self._terms, self._counts = array("i"), array("i")
        self._runs: list[tuple[Path, int]] = []

    def add(self, terms: Sequence[str]) -> None:
        """The terms of the next passage."""
        terms = terms or [""]
        self.lengths.append(len(terms))
        counts = Counter(terms)
        for term, count in counts.items():
            self._terms.append(self._numbers.setdefault(term, len(self._numbers)))
            self._counts.append(count)
        self._distinct.append(len(counts))
        if len(self._terms) >= RUN:
            self._flush()

    def _flush(self) -> None:
        """Writes the occurrences held as a run of three columns, sorted by term; rows stay in order within a term."""
        if not self._terms:
            return
        terms = self.vocabulary.add(list(self._numbers))[np.frombuffer(self._terms, dtype=np.int32)]
        frequencies = np.bincount(terms, minlength=len(self.vocabulary.terms)).astype(np.int32)
        frequencies[: len(self._frequencies)] += self._frequencies
        self._frequencies = frequencies
        first = len(self.lengths) - len(self._distinct)
        rows = np.repeat(
            np.arange(first, len(self.lengths), dtype=np.int32), np.frombuffer(self._distinct, dtype=np.int32)
        )
        order = np.argsort(terms, kind="stable")
        path = self.folder / f"run-{len(self._runs)}"
        with open(path, "wb") as stream:
            for column in (terms, rows, np.frombuffer(self._counts, dtype=np.int32)):
                stream.write(column[order].tobytes())
        self._runs.append((path, len(terms)))
        self._terms, self._counts, self._distinct, self._numbers = array("i"), array("i"), array("i"), {"": 0}

    def write(self, scores: Path, rows: Path, k1: float, b: float) -> npt.NDArray[np.int64]:
        """Writes float32 scores and int32 rows by term as .npy files; returns where each term's begin (int64, one more than there are terms)."""
        self._flush()
        starts = np.concatenate([[0], np.cumsum(self._frequencies, dtype=np.int64)])
        weigh = _Bm25(self._frequencies, np.frombuffer(self.lengths, dtype=np.int32), k1, b)
        with open(scores, "wb") as score_file, open(rows, "wb") as row_file:
            _npy_header(score_file, np.dtype(np.float32), int(starts[-1]))
            _npy_header(row_file, np.dtype(np.int32), int(starts[-1]))
            for terms, found, counts in self._merged(starts):
                score_file.write(weigh(terms, found, counts).tobytes())
                row_file.write(found.tobytes())
        return starts

    def _merged(self, starts: npt.NDArray[np.int64]) -> Iterator[tuple[Ints, Ints, Ints]]:
        """(terms, rows, counts) of one range of terms after another, each range of about `RUN` occurrences (a term is never cut)."""
        edges = [0]
        while edges[-1] < len(starts) - 1:
            beyond = int(np.searchsorted(starts, starts[edges[-1]] + RUN, side="right")) - 1
            edges.append(max(edges[-1] + 1, beyond))
        # Where each range begins in each run: only a few pages of the sorted terms are looked at.
        bounds = [
            np.searchsorted(np.memmap(path, dtype=np.int32, mode="r", shape=(size,)), edges)
            for path, size in self._runs
        ]
        for place in range(len(edges) - 1):
            parts = [
                _columns(path, size, int(at[place]), int(at[place + 1]))
                for (path, size), at in zip(self._runs, bounds, strict=True)
            ]
            terms, rows, counts = (np.concatenate([part[column] for part in parts]) for column in range(3))
            order = np.argsort(terms, kind="stable")
            yield terms[order], rows[order], counts[order]


class _Bm25:
    """Scores of occurrences, in the number formats and the order of operations of bm25s."""

    def __init__(self, frequencies: Ints, lengths: Ints, k1: float, b: float) -> None:
        count = len(lengths)
        seen, place = np.unique(frequencies, return_inverse=True)
        self.idf = np.array(
            [
                math.log(1 + (count - found + 0.5) / (found + 0.5)) if found else 0.0
                for found in seen.tolist()
            ],
            dtype=np.float32,
        )[place]
        self.lengths, self.mean, self.k1, self.b = lengths, lengths.mean(), k1, b

    def __call__(self, terms: Ints, rows: Ints, counts: Ints) -> Floats:
        part = self.k1 * ((1 - self.b) + self.b * self.lengths[rows] / self.mean)
        found = counts.astype(np.float32)
        scores: Floats = (self.idf[terms] * (found / (part + found))).astype(np.float32)
        return scores


def _columns(path: Path, size: int, low: int, high: int) -> tuple[Ints, Ints, Ints]:
    """Occurrences `low` to `high` of a run."""
    with open(path, "rb") as stream:
        read = []
        for column in range(3):
            stream.seek(4 * (column * size + low))
            read.append(np.fromfile(stream, dtype=np.int32, count=high - low))
    return read[0], read[1], read[2]


def _npy_header(stream: IO[bytes], dtype: np.dtype[Any], length: int) -> None:
    np.lib.format.write_array_header_1_0(
        stream, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    )


def id_order(ids: Iterator[str], count: int, folder: Path | None = None) -> Ints:
    """For each of `count` passages, the place of its id among all ids in order.

    Sorted runs lie in `folder`, which is not cleaned; without one all ids are sorted in memory. Raises DataError where two are the same.
    """
    size = ID_RUN if folder else count
    order = np.empty(count, dtype=np.int32)
    runs: list[Path] = []
    row = 0
    while part := sorted((name, row + place) for place, name in zip(range(size), ids, strict=False)):
        row += len(part)
        if folder is None or len(part) == count:
            _place(part, order)
            return order
        path = folder / f"ids-{len(runs)}"
        with open(path, "w", encoding="ascii") as stream:
            stream.writelines(json.dumps(pair) + "\n" for pair in part)
        runs.append(path)
    _place(heapq.merge(*map(_id_run, runs)), order)
    return order


def _place(ids: Iterable[tuple[str, int]], order: Ints) -> None:
    before = None
    for place, (name, row) in enumerate(ids):
        if name == before:
            raise DataError(
                f"The id '{name}' stands for two texts of the corpus (the second is passage {row + 1}); ids must be unique."
            )
        order[row], before = place, name


def _id_run(path: Path) -> Iterator[tuple[str, int]]:
    with open(path, encoding="ascii") as stream:
        for line in stream:
            name, row = json.loads(line)
            yield name, row
