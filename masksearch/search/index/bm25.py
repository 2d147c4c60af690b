"""BM25 in process: scored eagerly as bm25s does, saved in its files, memory-mapped when loaded.

Every term's score in every passage is computed at build time (in memory by bm25s itself; on disk by postings.py, which gives the same bytes
with flat memory); a query then adds up the columns of its terms. That sum and the choice of the best are done here: without a lock, and equal scores
are ordered by passage id, so that a ranking never depends on the machine. In numpy for small indexes, which never wait for a compiler, and for rare
words, where only the passages that hold them are looked at; for frequent words in large indexes compiled (kernel.py), with the same results to the last bit.

    masksearch index docs.jsonl -o index/    then    load("index/").search(["who discovered radium"], k=5)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
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
from masksearch.search.index.base import Floats, Ints, LocalSearcher, Ranked, best, indexed, mapped
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
"""Names of bm25s."""
BM25 = {"method": "lucene", "k1": 1.5, "b": 0.75}
PACKAGES = ("bm25s", "PyStemmer", "numpy")
COMPILED_FROM, COMPILED_SHARE, COMPILED_MOST = 20_000, 1 / 16, 1_000
"""Passages of an index, occurrences of the words for each passage, and results of a query, between which compiled code is the faster one."""
TOGETHER = 8
"""Queries from which threads are worth their while."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Postings:
    """Scores and rows by term."""

    scores: Floats
    rows: Ints
    columns: Numbers
    """Where each term's scores begin, and the end of the last."""
    vocabulary: Vocabulary


class Bm25Searcher(LocalSearcher):
    """A `Searcher` by words, over an index in memory or on disk."""

    def __init__(
        self,
        postings: _Postings,
        passages: Sequence[Passage],
        order: Ints,
        manifest: dict[str, Any],
        directory: Path | None = None,
    ) -> None:
        super().__init__(passages, order, manifest, directory)
        self._scores, self._rows, self._columns, self._vocabulary = (
            postings.scores,
            postings.rows,
            postings.columns,
            postings.vocabulary,
        )
        self._tokeniser = Tokeniser(manifest["settings"]["language"])
        self._local = threading.local()

    @classmethod
    def in_memory(cls, passages: Sequence[Passage], settings: IndexSettings | None = None) -> Bm25Searcher:
        """An index that is not written down; the same ranking and the same fingerprint as the one on disk."""
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
        """What `write_bm25` wrote into an index folder, memory-mapped."""
        scores, rows, columns = (mapped(directory / name) for name in (SCORES, ROWS, COLUMNS))
        return cls(
            _Postings(scores, rows, columns, Vocabulary.load(directory)), passages, order, manifest, directory
        )

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """`search` for one query. Not in a thread: it takes less than a millisecond, and so episodes are batched the same way in every run."""
        return self.search([query], k)[0]

    def document_frequency(self, text: str) -> int:
        """How many passages hold the rarest term of a text; 0 where one of its terms is in no passage, or it has none."""
        terms = set(self._tokeniser.terms(text))
        known = self._vocabulary.known(terms)
        if not terms or len(known) < len(terms):
            return 0
        return min(int(self._columns[term + 1] - self._columns[term]) for term in known)

    def rank(self, queries: Sequence[str], k: int) -> list[Ranked]:
        """The best `k` rows of each query with a score above 0, equal scores by passage id. Many queries of a large index on all cores."""
        cores = _cores()
        if len(queries) < TOGETHER or len(self.passages) < COMPILED_FROM or cores == 1:
            return [self._rank(query, k) for query in queries]
        # Compiled code runs without the interpreter's lock.
        return list(_pool(cores).map(partial(self._rank, k=k), queries))

    def _rank(self, query: str, k: int) -> Ranked:
        known = self._vocabulary.known(set(self._tokeniser.terms(query)))
        if not known or k < 1:
            return []
        terms = np.array(sorted(known), dtype=np.int64)  # a fixed order: floating-point sums depend on it
        size = len(self.passages)
        occurrences = int((self._columns[terms + 1] - self._columns[terms]).sum())
        if size >= COMPILED_FROM and occurrences >= size * COMPILED_SHARE and k <= COMPILED_MOST:
            return self._compiled_best(terms, min(k, size))
        rows, totals = self._totals(terms)
        return best(rows, totals, self.order, k)

    def _compiled_best(self, terms: Numbers, k: int) -> Ranked:
        scores, rows, places = (
            np.zeros(k, dtype=np.float32),
            np.empty(k, dtype=np.int32),
            np.empty(k, dtype=np.int32),
        )
        found = compiled()(
            self._scores, self._rows, self._columns, terms, self._sums(), self.order, scores, rows, places
        )
        return list(zip(rows[:found].tolist(), scores[:found].tolist(), strict=True))

    def _totals(self, terms: Numbers) -> tuple[Ints, Floats]:
        """The rows that hold any of the terms, each once, and the sum of their scores. Every score of a term in a passage is above 0."""
        sums = self._sums()
        touched: list[Ints] = []
        try:
            for term in terms.tolist():
                low, high = int(self._columns[term]), int(self._columns[term + 1])
                rows = self._rows[low:high]
                before = sums[rows]
                touched.append(rows[before == 0])
                sums[rows] = before + self._scores[low:high]
            found = np.concatenate(touched)
            return found, sums[found]
        finally:
            for rows in touched:
                sums[rows] = 0

    def _sums(self) -> Floats:
        """A zero for each passage: one array a thread, which `_totals` leaves as it was."""
        sums: Floats | None = getattr(self._local, "sums", None)
        if sums is None:
            sums = self._local.sums = np.zeros(len(self.passages), dtype=np.float32)
        return sums

    def __reduce__(self) -> tuple[Any, ...]:
        if self.directory is None:
            return Bm25Searcher.in_memory, (list(self.passages), self.settings)
        return super().__reduce__()


def _cores() -> int:
    """As many as this process may use: a worker beside others is told to use one."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(told) if told.isdigit() and int(told) else os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "bm25")


def identity(settings: IndexSettings) -> dict[str, Any]:
    """What a ranking by words depends on, beside the corpus."""
    return {"language": settings.language, "tokeniser": TOKENISER, "bm25s": version("bm25s"), **BM25}


def write_bm25(passages: Sequence[Passage], folder: Path, runs: Path, language: str) -> None:
    """Writes the files that bm25s saves into an index folder, with the postings made on disk (in `runs`) instead of in memory."""
    import bm25s

    tokeniser, postings = Tokeniser(language), Postings(runs)
    with Progress("Indexing", len(passages), "passages") as progress:
        for passage in passages:
            postings.add(tokeniser.terms(indexed(passage)))
            progress.step()
    engine = bm25s.BM25(**BM25, backend="numpy")
    starts = postings.write(folder / SCORES, folder / ROWS, engine.k1, engine.b)
    empty = {"data": np.empty(0, dtype=np.float32), "indices": np.empty(0, dtype=np.int32)}
    engine.scores = {**empty, "indptr": starts, "num_docs": len(passages)}
    engine.vocab_dict, engine.nonoccurrence_array = {}, None
    nowhere = f"{runs.name}/none"
    engine.save(folder, data_name=nowhere, indices_name=nowhere, vocab_name=nowhere, show_progress=False)
    # bm25s can open the folder too: this file is for it alone.
    postings.vocabulary.write_json(folder / VOCABULARY)
    postings.vocabulary.terms.save(folder)


def _index(passages: Sequence[Passage], language: str) -> _Postings:
    """What bm25s makes of title and text of each passage, in memory."""
    import bm25s

    tokeniser = Tokeniser(language)
    vocabulary: dict[str, int] = {
        "": 0
    }  # in order of appearance, not of a set; "" stands in passages without any term
    rows = []
    for passage in passages:
        terms = tokeniser.terms(indexed(passage)) or [""]
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
