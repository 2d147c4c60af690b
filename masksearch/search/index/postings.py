"""Postings and id order of any number of passages, computed on disk with little memory.

    occurrences (term, row, count)  ->  runs on disk, each sorted by term  ->  merged, range by range of terms

The scores are BM25 as bm25s computes it (its method `lucene`: IDF log(1 + (N - df + 0.5) / (df + 0.5)),
term part tf / (tf + k1 (1 - b + b l / mean l))), equal to the last bit, in files of its format. Memory
grows with the corpus by 8 bytes per passage and by at most some 40 bytes per term of the vocabulary
(while the vocabulary is extended).
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
"""Number of occurrences (12 bytes each) sorted in memory at a time."""
ID_RUN = 500_000
"""Number of passage ids sorted in memory at a time."""

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class Postings:
    """Collects the terms of all passages in row order, then writes scores and rows grouped by term.

    Whenever `RUN` occurrences are in memory, they are sorted and written to a file in `folder`. Such a sorted
    file is called a run. The caller removes the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vocabulary = GrowingVocabulary(folder)
        """Terms in order of appearance. The first is "", the term of passages without any other term."""
        self.lengths = array("i")
        """int32 (passages,): the number of terms of each passage."""
        self._frequencies = np.zeros(0, dtype=np.int32)
        """int32 (terms,): the number of passages that hold each term."""
        self._numbers = {"": 0}
        """Term -> its number within the current run."""
        self._distinct = array("i")
        """int32 (passages of the run,): the number of different terms of each passage."""
        # int32 (occurrences of the run,): the term's number within the run, and its count in the passage
        self._terms, self._counts = array("i"), array("i")
        self._runs: list[tuple[Path, int]] = []

    def add(self, terms: Sequence[str]) -> None:
        """Adds the terms of the next passage."""
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
        """Writes the occurrences in memory as a run of three columns, sorted by term and then by row."""
        if not self._terms:
            return
        # Numbers within the run become numbers of the whole vocabulary: int32 (occurrences,).
        terms = self.vocabulary.add(list(self._numbers))[np.frombuffer(self._terms, dtype=np.int32)]
        frequencies = np.bincount(terms, minlength=len(self.vocabulary.terms)).astype(np.int32)
        frequencies[: len(self._frequencies)] += self._frequencies
        self._frequencies = frequencies
        first = len(self.lengths) - len(self._distinct)
        passages = np.arange(first, len(self.lengths), dtype=np.int32)
        rows = np.repeat(passages, np.frombuffer(self._distinct, dtype=np.int32))  # (occurrences,)
        order = np.argsort(terms, kind="stable")  # (occurrences,)
        path = self.folder / f"run-{len(self._runs)}"
        with open(path, "wb") as stream:
            for column in (terms, rows, np.frombuffer(self._counts, dtype=np.int32)):
                stream.write(column[order].tobytes())
        self._runs.append((path, len(terms)))
        self._terms, self._counts, self._distinct, self._numbers = array("i"), array("i"), array("i"), {"": 0}

    def write(self, scores: Path, rows: Path, k1: float, b: float) -> npt.NDArray[np.int64]:
        """Writes float32 scores and int32 rows, both (occurrences,) and grouped by term, as .npy files.

        Returns int64 (terms + 1,): the start of each term's scores, and the end of the last term's.
        """
        self._flush()
        starts = np.concatenate([[0], np.cumsum(self._frequencies, dtype=np.int64)])
        score_of = _Bm25(self._frequencies, np.frombuffer(self.lengths, dtype=np.int32), k1, b)
        with open(scores, "wb") as score_file, open(rows, "wb") as row_file:
            _npy_header(score_file, np.dtype(np.float32), int(starts[-1]))
            _npy_header(row_file, np.dtype(np.int32), int(starts[-1]))
            for terms, found, counts in self._merged(starts):
                score_file.write(score_of(terms, found, counts).tobytes())
                row_file.write(found.tobytes())
        return starts

    def _merged(self, starts: npt.NDArray[np.int64]) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Merges the runs; yields (terms, rows, counts) of one range of terms after another.

        Each of the three arrays is int32 (occurrences of the range,). A range has about `RUN` occurrences; a
        term is never split.
        """
        edges = [0]
        while edges[-1] < len(starts) - 1:
            beyond = int(np.searchsorted(starts, starts[edges[-1]] + RUN, side="right")) - 1
            edges.append(max(edges[-1] + 1, beyond))
        # One array per run, (ranges + 1,): the start of each range of terms in this run. The binary search
        # reads only a few pages of the sorted terms.
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
            # Runs follow each other in row order, so a stable sort keeps the rows of a term in order.
            order = np.argsort(terms, kind="stable")
            yield terms[order], rows[order], counts[order]


class _Bm25:
    """Computes the scores of occurrences, with the number formats and the order of operations of bm25s.

    `frequencies` is int32 (terms,): the number of passages that hold each term; `lengths` is int32
    (passages,): the number of terms of each passage.
    """

    def __init__(self, frequencies: Ints, lengths: Ints, k1: float, b: float) -> None:
        # Uses math.log of Python numbers, as bm25s does, because numpy's logarithm may differ in the last
        # bit. The logarithm is computed once for each different frequency.
        different, place = np.unique(frequencies, return_inverse=True)
        idf = [_idf(frequency, len(lengths)) for frequency in different.tolist()]
        self.idf = np.array(idf, dtype=np.float32)[place]  # float32 (terms,)
        self.lengths, self.mean, self.k1, self.b = lengths, lengths.mean(), k1, b

    def __call__(self, terms: Ints, rows: Ints, counts: Ints) -> Floats:
        """Returns float32 (occurrences,); all three arguments are (occurrences,)."""
        part = self.k1 * ((1 - self.b) + self.b * self.lengths[rows] / self.mean)  # float64 (occurrences,)
        tf = counts.astype(np.float32)
        scores: Floats = (self.idf[terms] * (tf / (part + tf))).astype(np.float32)
        return scores


def _idf(frequency: int, passages: int) -> float:
    return math.log(1 + (passages - frequency + 0.5) / (frequency + 0.5)) if frequency else 0.0


def _columns(path: Path, size: int, low: int, high: int) -> tuple[Ints, Ints, Ints]:
    """Reads the occurrences `low` to `high` of a run that has `size` occurrences. Returns terms, rows and
    counts, each int32 (high - low,)."""
    with open(path, "rb") as stream:
        columns = []
        for column in range(3):
            stream.seek(4 * (column * size + low))
            columns.append(np.fromfile(stream, dtype=np.int32, count=high - low))
    return columns[0], columns[1], columns[2]


def _npy_header(stream: IO[bytes], dtype: np.dtype[Any], length: int) -> None:
    np.lib.format.write_array_header_1_0(
        stream, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    )


def id_order(ids: Iterator[str], count: int, folder: Path | None = None) -> Ints:
    """Returns int32 (count,): for each passage, the position of its id among all ids in sorted order.

    Sorted runs are written to `folder`, which the caller removes; without a folder all ids are sorted in
    memory. Raises DataError if two passages have the same id.
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
        with open(path, "w", encoding="ascii", newline="\n") as stream:
            stream.writelines(json.dumps(pair) + "\n" for pair in part)
        runs.append(path)
    _place(heapq.merge(*map(_id_run, runs)), order)
    return order


def _place(ids: Iterable[tuple[str, int]], order: Ints) -> None:
    before = None
    for place, (name, row) in enumerate(ids):
        if name == before:
            raise DataError(
                f"The id '{name}' belongs to two texts of the corpus (the second is passage {row + 1}); "
                "ids must be unique."
            )
        order[row], before = place, name


def _id_run(path: Path) -> Iterator[tuple[str, int]]:
    with open(path, encoding="ascii") as stream:
        for line in stream:
            name, row = json.loads(line)
            yield name, row
