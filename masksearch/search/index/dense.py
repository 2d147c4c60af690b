"""Search by vectors: a sentence encoder and a FAISS index of the passages' vectors, memory-mapped if FAISS
supports this.

Scores are rounded cosines, because the last bits of a query's vector depend on the other queries of its
batch, and the ranking must not depend on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from masksearch.errors import MissingExtraError, ModelError, SearchError
from masksearch.runtime.files import atomic_path
from masksearch.runtime.progress import Progress
from masksearch.search.batching import Batcher
from masksearch.search.index.base import Floats, Ints, LocalSearcher, Ranked, best, indexed_text
from masksearch.search.index.encoder import Encoder, Vectors
from masksearch.search.index.manifest import read_manifest
from masksearch.search.settings import DenseSettings
from masksearch.types import Hit, Passage

VECTORS = "vectors.faiss"
PACKAGES = ("faiss-cpu", "sentence-transformers", "transformers", "torch", "numpy")
DIGITS = 5
"""Decimal digits to which scores are rounded."""
EXTRA_RESULTS = 8
"""Number of rows requested beyond k, to detect rows with the same score as the k-th row."""
SAMPLE = 100_000
"""Largest number of vectors from which FAISS learns its clusters (ivf) and value ranges (int8)."""


class DenseSearcher(LocalSearcher):
    """A `Searcher` that ranks by the cosine of vectors."""

    def __init__(
        self, passages: Sequence[Passage], order: Ints, manifest: dict[str, Any], directory: Path
    ) -> None:
        super().__init__(passages, order, manifest, directory)
        self.folder = directory
        self.encoder = Encoder(self.settings.dense)
        self._revision = str(manifest["depends_on"]["revision"])

    def rank(self, queries: Sequence[str], k: int) -> list[Ranked]:
        """Returns the best `k` rows of each query by cosine, and no rows for a blank query.

        Rows with equal scores are ordered by passage id. Raises SearchError if the vectors or their encoder
        cannot be used.
        """
        found: list[Ranked] = [[] for _ in queries]
        places = [place for place, query in enumerate(queries) if query.strip()]
        if places and k > 0:
            vectors = self._same_encoder.queries([queries[place] for place in places])  # (queries, dimension)
            for place, ranked in zip(places, self._nearest(vectors, k), strict=True):
                found[place] = ranked
        return found

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query. Concurrent queries are encoded in one batch."""
        return await self._batcher.search(query, k)

    @cached_property
    def _batcher(self) -> Batcher:
        return Batcher(self, self.settings.dense.batch)

    def _nearest(self, vectors: Vectors, k: int) -> list[Ranked]:
        """Returns the best `k` rows for each of the vectors, which are (queries, dimension).

        Requests more rows until the last row is worse than the k-th. Then all rows that tie with the k-th are
        found, and their ids decide which of them are returned.
        """
        total = len(self.passages)
        depth = min(k + EXTRA_RESULTS, total)
        while True:
            scores, rows = self._index.search(vectors, depth)  # float32 and int64, both (queries, depth)
            # FAISS marks missing results with row -1 and the lowest float32, which overflows when rounded.
            scores[rows < 0] = -np.inf
            scores = np.round(scores, DIGITS)
            if depth == total:
                break
            # If ivf or hnsw returns fewer rows than requested, it has no further rows, so no tie is cut
            # off.
            cut = (scores[:, k - 1] == scores[:, -1]) & (rows[:, -1] >= 0)  # (queries,)
            if not cut.any():
                break
            depth = min(4 * depth, total)
        return [self._ordered(row, score, k) for row, score in zip(rows, scores, strict=True)]

    @cached_property
    def _same_encoder(self) -> Encoder:
        """The encoder, after a check that it encoded the passages. Another encoder would give wrong results
        without an error."""
        try:
            revision = self.encoder.revision
        except ModelError as error:
            # Raised as SearchError, because callers treat a ModelError as a failure of the model that they
            # train or evaluate.
            raise SearchError(f"The index {self.folder} cannot be searched. {error}") from error
        if revision != self._revision:
            raise SearchError(
                f"The index {self.folder} was built with the encoder '{self.settings.dense.encoder}' of "
                f"revision {self._revision}, but that encoder now has revision {revision}; restore the old "
                "encoder, or build the index again."
            )
        return self.encoder

    def _ordered(self, rows: Any, scores: Floats, k: int) -> Ranked:
        found = rows >= 0  # (depth,), as are rows and scores
        return best(rows[found].astype(np.int32), scores[found], self.order, k)

    @cached_property
    def _index(self) -> Any:
        faiss = _faiss()
        try:
            index = faiss.read_index(str(self.folder / VECTORS), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise SearchError(
                f"The vectors of the index {self.folder} cannot be read; build the index again and reopen it."
            ) from error
        # The vectors are read at the first search, perhaps long after the passages. If the index was
        # rebuilt in between, the rows of the new vectors would refer to the wrong passages.
        if read_manifest(self.folder)["fingerprint"] != self.fingerprint:
            raise SearchError(
                f"The index {self.folder} was replaced by another one after it was opened; reopen it."
            )
        settings = self.settings.dense
        if settings.vectors == "ivf":
            faiss.extract_index_ivf(index).nprobe = settings.nprobe
        elif settings.vectors == "hnsw":
            index.hnsw.efSearch = settings.ef_search
        return index


def identity(encoder: Encoder) -> dict[str, Any]:
    """Returns all inputs of a ranking by vectors except the corpus, for the index's fingerprint."""
    settings = encoder.settings
    used = {"flat": (), "ivf": ("nprobe",), "hnsw": ("ef_search",)}[settings.vectors]
    chosen = ("query_prompt", "passage_prompt", "vectors", "precision", *used)
    return {
        "revision": encoder.revision,
        **{name: getattr(settings, name) for name in chosen},
        **{name: version(name) for name in PACKAGES[:2]},
    }


def write_vectors(passages: Sequence[Passage], folder: Path, work: Path, encoder: Encoder) -> None:
    """Encodes the passages shard by shard and writes the FAISS index into `folder`.

    Shards are saved in `work`; finished shards of an interrupted build are reused. The whole index is in
    memory: 4, 2 or 1 bytes per dimension and passage, depending on `precision`, plus the lists of ivf or
    the links of hnsw.
    """
    faiss, settings = _faiss(), encoder.settings
    shards = [_shard(passages, start, work, encoder) for start in _starts(passages, settings, len(passages))]
    index = faiss.index_factory(
        encoder.dimension, _factory(settings, len(passages)), faiss.METRIC_INNER_PRODUCT
    )
    if not index.is_trained:
        index.train(_sample(shards, len(passages)))
    # The graph of hnsw depends on the order of insertion, which is reproducible only in one thread.
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if settings.vectors == "hnsw" else threads)
    try:
        with Progress("Indexing vectors", len(passages), "passages") as progress:
            for path in shards:
                vectors = np.load(path).astype(np.float32)  # (passages of the shard, dimension)
                index.add(vectors)
                progress.step(len(vectors))
    finally:
        faiss.omp_set_num_threads(threads)
    faiss.write_index(index, str(folder / VECTORS))


def _starts(passages: Sequence[Passage], settings: DenseSettings, total: int) -> Iterator[int]:
    """Yields the first row of each shard and shows progress."""
    with Progress("Encoding", total, "passages") as progress:
        for start in range(0, total, settings.shard):
            yield start
            progress.step(min(settings.shard, total - start))


def _shard(passages: Sequence[Passage], start: int, work: Path, encoder: Encoder) -> Path:
    """Returns the file with the vectors of the shard that starts at row `start`; encodes them if the file
    is missing."""
    size = encoder.settings.shard
    path = work / f"{start // size:06d}.npy"
    if not path.exists():
        texts = [indexed_text(passages[row]) for row in range(start, min(start + size, len(passages)))]
        dtype = np.float32 if encoder.settings.precision == "float32" else np.float16
        vectors = encoder.passages(texts).astype(dtype)  # (passages of the shard, dimension)
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.save(stream, vectors)
    return path


def _sample(shards: Sequence[Path], total: int) -> Vectors:
    """Returns an evenly spaced sample of at most about `SAMPLE` vectors, float32 (sample, dimension)."""
    step = max(1, -(-total // SAMPLE))
    return np.concatenate([np.load(path, mmap_mode="r")[::step] for path in shards]).astype(np.float32)


def _factory(settings: DenseSettings, total: int) -> str:
    """Returns the FAISS factory string: about 4 sqrt(n) clusters (ivf), 32 links per node (hnsw)."""
    storage = {"float32": "Flat", "float16": "SQfp16", "int8": "SQ8"}[settings.precision]
    # FAISS asks for at least 39 training vectors per cluster.
    clusters = max(1, min(int(4 * total**0.5), total // 39))
    return {"flat": storage, "ivf": f"IVF{clusters},{storage}", "hnsw": f"HNSW32,{storage}"}[settings.vectors]


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingExtraError("faiss-cpu", "dense", "A search by vectors") from error
    return faiss
