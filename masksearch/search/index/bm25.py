"""BM25 in this process: scores computed as bm25s does, saved in its file format, memory-mapped when loaded.

The score of every term in every passage is computed when the index is built. bm25s computes the scores of
an index in memory; `postings.py` computes those of an index on disk, with the same bytes and little memory.
A query only adds up the scores of its terms and selects the best rows. This module does these two steps
instead of bm25s, so that queries need no lock and equal scores are ordered by passage id. The ranking
therefore does not depend on the machine.

In large indexes, code compiled by numba (`kernel.py`) adds up the scores of frequent words. numpy adds up
the scores of rare words, because it reads only the passages with these words. It also serves small indexes,
which therefore need no compilation. Both give the same results to the last bit. Without numba, numpy
computes all sums.

    masksearch index docs.jsonl -o index/    then    load("index/").search(["who discovered radium"], k=5)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch.corpus import corpus_hash
from masksearch.runtime.progress import Progress
from masksearch.search.index.base import Floats, Ints, LocalSearcher, Ranked, best, indexed_text, mapped
from masksearch.search.index.kernel import compiled
from masksearch.search.index.manifest import make_manifest
from masksearch.search.index.postings import Postings, id_order
from masksearch.search.index.storage import document_starts
from masksearch.search.index.vocabulary import Vocabulary
from masksearch.search.settings import IndexSettings
from masksearch.text.terms import TOKENISER, Tokeniser
from masksearch.types import Hit, Passage

SCORES, ROWS, COLUMNS, VOCABULARY = (
    "data.csc.index.npy",
    "indices.csc.index.npy",
    "indptr.csc.index.npy",
    "vocab.index.json",
)
"""Names of the files of an index, as bm25s names them."""
BM25 = {"method": "lucene", "k1": 1.5, "b": 0.75}
PACKAGES = ("bm25s", "PyStemmer", "numpy")
COMPILED_FROM, COMPILED_SHARE, COMPILED_MOST = 20_000, 1 / 16, 1_000
"""Compiled code is faster if the index has at least `COMPILED_FROM` passages, the query's terms have at
least `COMPILED_SHARE` occurrences per passage, and at most `COMPILED_MOST` results are requested."""
TOGETHER = 8
"""Minimum number of queries for which threads are faster than a loop."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Postings:
    """Scores and rows, grouped by term (a sparse matrix in CSC format)."""

    scores: Floats
    """float32 (occurrences,)."""
    rows: Ints
    """int32 (occurrences,): the row of each score, ascending within a term."""
    columns: Numbers
    """int64 (terms + 1,): the start of each term's scores, and the end of the last term's."""
    vocabulary: Vocabulary


class Bm25Searcher(LocalSearcher):
    """A `Searcher` that ranks by BM25, over an index in memory or on disk."""

    def __init__(
        self,
        postings: _Postings,
        passages: Sequence[Passage],
        order: Ints,
        manifest: dict[str, Any],
        directory: Path | None = None,
    ) -> None:
        super().__init__(passages, order, manifest, directory)
        self._scores, self._rows = postings.scores, postings.rows
        self._columns, self._vocabulary = postings.columns, postings.vocabulary
        self._tokeniser = Tokeniser(manifest["settings"]["language"])
        self._local = threading.local()

    @classmethod
    def in_memory(cls, passages: Sequence[Passage], settings: IndexSettings | None = None) -> Bm25Searcher:
        """Builds an index in memory, with the same ranking and fingerprint as the index on disk."""
        settings = settings or IndexSettings()
        order = id_order((passage.id for passage in passages), len(passages))
        texts = corpus_hash(passages)
        manifest = make_manifest(
            settings, texts, len(document_starts(passages)), len(passages), identity(settings), PACKAGES
        )
        return cls(_index(passages, settings.language), passages, order, manifest)

    @classmethod
    def open(
        cls, directory: Path, passages: Sequence[Passage], order: Ints, manifest: dict[str, Any]
    ) -> Bm25Searcher:
        """Opens the files that `write_bm25` wrote into an index folder, memory-mapped."""
        scores, rows, columns = (mapped(directory / name) for name in (SCORES, ROWS, COLUMNS))
        postings = _Postings(scores, rows, columns, Vocabulary.load(directory))
        return cls(postings, passages, order, manifest, directory)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query, on the event loop.

        A query takes less than a millisecond. Without a thread, episodes are batched the same way in
        every run.
        """
        return self.search([query], k)[0]

    def document_frequency(self, text: str) -> int:
        """Returns the number of passages that hold the rarest term of a text.

        Returns 0 if a term of the text is in no passage, or if the text has no terms.
        """
        terms = set(self._tokeniser.terms(text))
        known = self._vocabulary.known(terms)
        if not terms or len(known) < len(terms):
            return 0
        return min(int(self._columns[term + 1] - self._columns[term]) for term in known)

    def knows(self, text: str) -> bool:
        """Whether a term of the text is in any passage. True for a text without terms, such as one of stop
        words alone."""
        terms = set(self._tokeniser.terms(text))
        return not terms or bool(self._vocabulary.known(terms))

    def rank(self, queries: Sequence[str], k: int) -> list[Ranked]:
        """Returns the best `k` rows of each query with a score above 0.

        Rows with equal scores are ordered by passage id. Many queries to a large index run on all cores.
        """
        cores = _cores()
        small = len(queries) < TOGETHER or len(self.passages) < COMPILED_FROM
        # Threads gain only in compiled code, which releases the interpreter's lock.
        if small or cores == 1 or compiled() is None:
            return [self._rank(query, k) for query in queries]
        return list(_pool(cores).map(partial(self._rank, k=k), queries))

    def _rank(self, query: str, k: int) -> Ranked:
        known = self._vocabulary.known(set(self._tokeniser.terms(query)))
        if not known or k < 1:
            return []
        # (terms,), sorted because floating-point sums depend on the order of their terms
        terms = np.array(sorted(known), dtype=np.int64)
        size = len(self.passages)
        occurrences = int((self._columns[terms + 1] - self._columns[terms]).sum())
        if size >= COMPILED_FROM and occurrences >= size * COMPILED_SHARE and k <= COMPILED_MOST:
            kernel = compiled()
            if kernel is not None:
                return self._compiled_best(kernel, terms, min(k, size))
        rows, totals = self._totals(terms)
        return best(rows, totals, self.order, k)

    def _compiled_best(self, kernel: Callable[..., int], terms: Numbers, k: int) -> Ranked:
        scores = np.zeros(k, dtype=np.float32)  # (k,), as are the next two arrays
        rows = np.empty(k, dtype=np.int32)
        places = np.empty(k, dtype=np.int32)
        found = kernel(
            self._scores, self._rows, self._columns, terms, self._sums(), self.order, scores, rows, places
        )
        return list(zip(rows[:found].tolist(), scores[:found].tolist(), strict=True))

    def _totals(self, terms: Numbers) -> tuple[Ints, Floats]:
        """Returns the rows that hold any of the terms, and for each row the sum of its scores for these
        terms. Both arrays are (rows found,)."""
        sums = self._sums()  # (passages,)
        touched: list[Ints] = []
        try:
            for term in terms.tolist():
                low, high = int(self._columns[term]), int(self._columns[term + 1])
                rows = self._rows[low:high]  # (passages with the term,), each row once
                before = sums[rows]
                # All scores are above 0, so a sum of 0 marks a row without any of the earlier terms.
                touched.append(rows[before == 0])
                sums[rows] = before + self._scores[low:high]
            found = np.concatenate(touched)
            return found, sums[found]
        finally:
            for rows in touched:
                sums[rows] = 0

    def _sums(self) -> Floats:
        """Returns this thread's array for the sums of all passages, float32 (passages,).

        The array is all zero between queries, because each query resets the rows that it used.
        """
        sums: Floats | None = getattr(self._local, "sums", None)
        if sums is None:
            sums = self._local.sums = np.zeros(len(self.passages), dtype=np.float32)
        return sums

    def __reduce__(self) -> tuple[Any, ...]:
        if self.directory is None:
            return Bm25Searcher.in_memory, (list(self.passages), self.settings)
        return super().__reduce__()


def _cores() -> int:
    """Returns the number of cores this process may use: OMP_NUM_THREADS if set, or else all cores.

    Worker processes that share a machine are started with OMP_NUM_THREADS=1.
    """
    allowed = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if allowed.isdigit() and int(allowed):
        return int(allowed)
    return os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "bm25")


def identity(settings: IndexSettings) -> dict[str, Any]:
    """Returns all inputs of a BM25 ranking except the corpus, for the index's fingerprint."""
    return {"language": settings.language, "tokeniser": TOKENISER, "bm25s": version("bm25s"), **BM25}


def write_bm25(passages: Sequence[Passage], folder: Path, runs: Path, language: str) -> None:
    """Writes the files of bm25s into an index folder. The postings are built on disk, in `runs`."""
    import bm25s

    tokeniser, postings = Tokeniser(language), Postings(runs)
    with Progress("Indexing", len(passages), "passages") as progress:
        for passage in passages:
            postings.add(tokeniser.terms(indexed_text(passage)))
            progress.step()
    engine = bm25s.BM25(**BM25, backend="numpy")
    # int64 (terms + 1,)
    starts = postings.write(folder / SCORES, folder / ROWS, engine.k1, engine.b)
    empty = {"data": np.empty(0, dtype=np.float32), "indices": np.empty(0, dtype=np.int32)}
    engine.scores = {**empty, "indptr": starts, "num_docs": len(passages)}
    engine.vocab_dict, engine.nonoccurrence_array = {}, None
    # bm25s saves its parameters and `indptr` into the index folder. The other files that it saves are
    # empty. They go to the temporary folder, so that they do not replace the scores and rows written above.
    discarded = f"{runs.name}/none"
    engine.save(
        folder, data_name=discarded, indices_name=discarded, vocab_name=discarded, show_progress=False
    )
    # MaskSearch never reads this file, but bm25s needs it to open the folder.
    postings.vocabulary.write_json(folder / VOCABULARY)
    postings.vocabulary.terms.save(folder)


def _index(passages: Sequence[Passage], language: str) -> _Postings:
    """Builds the postings of all passages in memory with bm25s."""
    import bm25s

    tokeniser = Tokeniser(language)
    # Terms are numbered in order of appearance, because the order of a set differs between runs. "" is the
    # term of passages without any other term.
    vocabulary: dict[str, int] = {"": 0}
    rows = []
    for passage in passages:
        terms = tokeniser.terms(indexed_text(passage)) or [""]
        rows.append([vocabulary.setdefault(term, len(vocabulary)) for term in terms])
    engine = bm25s.BM25(**BM25, backend="numpy")
    engine.index((rows, vocabulary), show_progress=False)
    scores = engine.scores
    return _Postings(
        scores["data"],
        scores["indices"],
        np.asarray(scores["indptr"], dtype=np.int64),
        Vocabulary.of(vocabulary),
    )
