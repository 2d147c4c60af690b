"""BM25 in process: scored eagerly as bm25s does, saved in its files, memory-mapped when loaded.

Every term's score in every passage is computed at build time (in memory by bm25s itself; on disk by postings.py, which gives the same bytes
with flat memory); a query then adds up the columns of its terms. That sum and the
choice of the best are done here, in numpy: no just-in-time compilation at the first query of a process, no lock, and equal scores are
ordered by passage id, so that a ranking never depends on the machine. Only passages that hold a term of the query are looked at: a query
costs as much as its terms have passages, however large the index is.

    masksearch index docs.jsonl -o index/    then    load("index/").search(["who discovered radium"], k=5)
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from masksearch.corpus import corpus_hash
from masksearch.corpus.identity import source_hash
from masksearch.errors import DataError, SearchError
from masksearch.files import atomic_path, write_json
from masksearch.progress import Progress
from masksearch.search.postings import Postings, id_order
from masksearch.search.storage import TEXTS, StoredPassages, document_starts, write_passages
from masksearch.search.text import TOKENISER, Tokeniser
from masksearch.search.vocabulary import Vocabulary
from masksearch.settings import IndexSettings
from masksearch.types import Hit, Passage

INDEX_FORMAT: Final = "masksearch-index/2"
MANIFEST = "masksearch.json"
ORDER = "order.npy"
SCORES, ROWS, COLUMNS, VOCABULARY = "data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy", "vocab.index.json"
"""Names of bm25s."""
BM25 = {"method": "lucene", "k1": 1.5, "b": 0.75}

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Postings:
    """Scores and rows by term. Plain arrays, not numpy.memmap objects: the same mapped memory without the subclass's cost on every slice."""

    scores: FloatArray
    rows: IntArray
    columns: npt.NDArray[np.int64]
    """Where each term's scores begin, and the end of the last."""
    vocabulary: Vocabulary

    @classmethod
    def load(cls, directory: Path) -> _Postings:
        scores, rows, columns = (_mapped(directory / name) for name in (SCORES, ROWS, COLUMNS))
        return cls(scores, rows, columns, Vocabulary.load(directory))


class Bm25Searcher:
    """A `Searcher` over an index, in memory or on disk. Safe to share between threads; pickles where it was loaded from a folder."""

    def __init__(self, postings: _Postings, passages: Sequence[Passage], order: IntArray, manifest: dict[str, Any], directory: Path | None = None) -> None:
        self._scores, self._rows, self._columns, self._vocabulary = postings.scores, postings.rows, postings.columns, postings.vocabulary
        self._order = order
        self._tokeniser = Tokeniser(manifest["settings"]["language"])
        self._local = threading.local()
        self.passages = passages
        self.manifest = manifest
        self.directory = directory

    @classmethod
    def in_memory(cls, passages: Sequence[Passage], settings: IndexSettings | None = None) -> Bm25Searcher:
        """An index that is not written down; the same ranking and the same fingerprint as the one on disk."""
        settings = settings or IndexSettings()
        order = id_order((passage.id for passage in passages), len(passages))
        return cls(_index(passages, settings.language), passages, order, _manifest(passages, settings))

    @property
    def fingerprint(self) -> str:
        """`bm25-` and 12 hex digits."""
        return str(self.manifest["fingerprint"])

    @property
    def settings(self) -> IndexSettings:
        """What the index was built with."""
        return IndexSettings.model_validate(self.manifest["settings"])

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The best `k` passages of each query with a score above 0, best first, equal scores by passage id."""
        return [self._search(query, k) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """`search` for one query. Not in a thread: it takes less than a millisecond, and so episodes are batched the same way in every run."""
        return self._search(query, k)

    def document_frequency(self, text: str) -> int:
        """How many passages hold the rarest term of a text; 0 where one of its terms is in no passage, or it has none."""
        terms = set(self._tokeniser.terms(text))
        known = self._vocabulary.known(terms)
        if not terms or len(known) < len(terms):
            return 0
        return min(int(self._columns[term + 1] - self._columns[term]) for term in known)

    def _search(self, query: str, k: int) -> list[Hit]:
        known = self._vocabulary.known(set(self._tokeniser.terms(query)))
        if not known or k < 1:
            return []
        rows, totals = self._totals(sorted(known))  # a fixed order: floating-point sums depend on it
        return [Hit(passage=self.passages[row], score=score) for row, score in self._best(rows, totals, k)]

    def _totals(self, terms: Sequence[int]) -> tuple[IntArray, FloatArray]:
        """The rows that hold any of the terms, each once, and the sum of their scores. Every score of a term in a passage is above 0."""
        sums = self._sums()
        touched: list[IntArray] = []
        try:
            for term in terms:
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

    def _sums(self) -> FloatArray:
        """A zero for each passage: one array a thread, which `_totals` leaves as it was."""
        sums: FloatArray | None = getattr(self._local, "sums", None)
        if sums is None:
            sums = self._local.sums = np.zeros(len(self.passages), dtype=np.float32)
        return sums

    def _best(self, rows: IntArray, totals: FloatArray, k: int) -> list[tuple[int, float]]:
        """The rows of the k highest totals, with these. All rows that tie with the k-th take part, then ids decide."""
        if k < len(rows):
            kept = totals >= np.partition(totals, len(totals) - k)[len(totals) - k]
            rows, totals = rows[kept], totals[kept]
        best = np.lexsort((self._order[rows], -totals))[:k]
        return list(zip(rows[best].tolist(), totals[best].tolist(), strict=True))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        if self.directory is None:
            return Bm25Searcher.in_memory, (list(self.passages), self.settings)
        return load, (self.directory,)


def build(passages: Iterable[Passage], directory: str | Path, settings: IndexSettings) -> dict[str, Any]:
    """Indexes passages, of which few are in memory at a time, and writes the folder, whole or not at all; returns its manifest.

    Raises DataError without passages.
    """
    with atomic_path(directory) as folder:
        folder.mkdir()
        write_passages(folder, passages)
        if not (folder / TEXTS).stat().st_size:
            raise _nothing_to_index(settings)
        stored = StoredPassages(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix="runs-") as runs:
            _write_engine(stored, folder, Path(runs), settings.language)
            np.save(folder / ORDER, id_order((passage.id for passage in stored), len(stored), Path(runs)))
        manifest = _manifest(stored, settings)
        manifest["files"] = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
        write_json(folder / MANIFEST, manifest)
    return manifest


def _write_engine(passages: Sequence[Passage], folder: Path, runs: Path, language: str) -> None:
    """The files that bm25s saves, with the postings made on disk instead of in memory."""
    import bm25s

    tokeniser, postings = Tokeniser(language), Postings(runs)
    with Progress("Indexing", len(passages), "passages") as progress:
        for passage in passages:
            postings.add(tokeniser.terms(_indexed(passage)))
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


def load(directory: str | Path) -> Bm25Searcher:
    """Opens an index folder, memory-mapped. Raises SearchError: no index, another version's, or damaged."""
    directory = Path(directory)
    manifest = _read_manifest(directory)
    try:
        for name, size in manifest["files"].items():
            if (directory / name).stat().st_size != size:
                raise ValueError(f"{name} has not the size it was written with")
        passages = StoredPassages(directory)
        order = _mapped(directory / ORDER)
        if not len(passages) == len(order) == manifest["passages"]:
            raise ValueError("the files differ in the number of passages")
        return Bm25Searcher(_Postings.load(directory), passages, order, manifest, directory)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SearchError(f"The index {directory} is damaged ({error}); build it again with: masksearch index CORPUS -o {directory}.") from error


def _mapped(path: Path) -> Any:
    return np.asarray(np.load(path, mmap_mode="r"))


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    if not path.is_file():
        raise SearchError(f"{directory} is no index folder (it has no {MANIFEST}); build one with: masksearch index CORPUS -o {directory}.")
    try:
        manifest = json.loads(path.read_bytes())
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SearchError(f"{path} is damaged; build the index again with: masksearch index CORPUS -o {directory}.") from error
    if found != INDEX_FORMAT:
        raise SearchError(f"The index {directory} has the format '{found}', and this version reads '{INDEX_FORMAT}'; build it again.")
    return dict(manifest)


def _indexed(passage: Passage) -> str:
    """What of a passage can be found."""
    return f"{passage.title}\n{passage.text}"


def _index(passages: Sequence[Passage], language: str) -> _Postings:
    """What bm25s makes of title and text of each passage, in memory."""
    import bm25s

    tokeniser = Tokeniser(language)
    vocabulary: dict[str, int] = {"": 0}  # in order of appearance, not of a set; "" stands in passages without any term
    rows = []
    for passage in passages:
        terms = tokeniser.terms(_indexed(passage)) or [""]
        rows.append([vocabulary.setdefault(term, len(vocabulary)) for term in terms])
    engine = bm25s.BM25(**BM25, backend="numpy")
    engine.index((rows, vocabulary), show_progress=False)
    scores = engine.scores
    return _Postings(scores["data"], scores["indices"], np.asarray(scores["indptr"], dtype=np.int64), Vocabulary.of(vocabulary))


def _nothing_to_index(settings: IndexSettings) -> DataError:
    return DataError(f"There is nothing to index: {settings.corpus} holds no text.")


def _manifest(passages: Sequence[Passage], settings: IndexSettings) -> dict[str, Any]:
    if not passages:
        raise _nothing_to_index(settings)
    texts = corpus_hash(passages)
    identity = {"kind": "bm25", "corpus": texts, "language": settings.language, "tokeniser": TOKENISER, "bm25s": version("bm25s"), **BM25}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return {
        "format": INDEX_FORMAT,
        "kind": "bm25",
        "fingerprint": f"bm25-{digest[:12]}",
        "corpus": settings.corpus,
        "corpus_hash": texts,
        "source_hash": source_hash(settings.corpus),
        "documents": len(document_starts(passages)),
        "passages": len(passages),
        "settings": settings.model_dump(mode="json"),
        "versions": {name: version(name) for name in ("bm25s", "PyStemmer", "numpy")},
    }
