"""Search by vectors: a sentence encoder, and a FAISS index of the passages' vectors, memory-mapped where that can be.

Scores are cosines, rounded: a query's vector differs in the last bits with what it is encoded beside, and a ranking must not.
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
from masksearch.search.index.base import Floats, Ints, LocalSearcher, Ranked, best, indexed
from masksearch.search.index.encoder import Encoder, Vectors
from masksearch.search.index.manifest import read_manifest
from masksearch.search.settings import DenseSettings
from masksearch.types import Hit, Passage

VECTORS = "vectors.faiss"
PACKAGES = ("faiss-cpu", "sentence-transformers", "transformers", "torch", "numpy")
DIGITS = 5
"""Digits of a score that count."""
SPARE = 8
"""Rows asked for beyond those wanted, so that ties at the end can be seen."""
SAMPLE = 100_000
"""Most vectors that clusters and value ranges are learned from."""


class DenseSearcher(LocalSearcher):
    """A `Searcher` by meaning."""

    def __init__(
        self, passages: Sequence[Passage], order: Ints, manifest: dict[str, Any], directory: Path
    ) -> None:
        super().__init__(passages, order, manifest, directory)
        self.folder = directory
        self.encoder = Encoder(self.settings.dense)
        self._revision = str(manifest["depends_on"]["revision"])

    def rank(self, queries: Sequence[str], k: int) -> list[Ranked]:
        """The best `k` rows of each query by the cosine, equal ones by passage id; none for a blank query."""
        found: list[Ranked] = [[] for _ in queries]
        asked = [place for place, query in enumerate(queries) if query.strip()]
        if asked and k > 0:
            vectors = self._same_encoder.queries([queries[place] for place in asked])
            for place, ranked in zip(asked, self._nearest(vectors, k), strict=True):
                found[place] = ranked
        return found

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """`search` for one query; those asked at the same time are encoded together."""
        return await self._batcher.search(query, k)

    @cached_property
    def _batcher(self) -> Batcher:
        return Batcher(self, self.settings.dense.batch)

    def _nearest(self, vectors: Vectors, k: int) -> list[Ranked]:
        """Asks for more until the last row is worse than the k-th, so that ties are seen whole."""
        total = len(self.passages)
        asked = min(k + SPARE, total)
        while True:
            scores, rows = self._index.search(vectors, asked)
            scores[rows < 0] = -np.inf  # the library's own mark for no result overflows when it is rounded
            scores = np.round(scores, DIGITS)
            # Clusters and graphs may find fewer than asked for: then there are no others.
            if asked == total or not bool(((scores[:, k - 1] == scores[:, -1]) & (rows[:, -1] >= 0)).any()):
                return [self._ordered(row, score, k) for row, score in zip(rows, scores, strict=True)]
            asked = min(4 * asked, total)

    @cached_property
    def _same_encoder(self) -> Encoder:
        """The encoder, known to be the one that the passages' vectors are from: with another's, results would be wrong without a sign of it."""
        try:
            revision = self.encoder.revision
        except ModelError as error:  # for whoever searches it is the search that failed, not the model that is trained or measured
            raise SearchError(f"The index {self.folder} cannot be searched. {error}") from error
        if revision != self._revision:
            name = self.settings.dense.encoder
            told = f"was built with the encoder '{name}' of revision {self._revision}, and that is now of revision {revision}"
            raise SearchError(
                f"The index {self.folder} {told}; bring that one back, or build the index again."
            )
        return self.encoder

    def _ordered(self, rows: Any, scores: Floats, k: int) -> Ranked:
        there = rows >= 0
        return best(rows[there].astype(np.int32), scores[there], self.order, k)

    @cached_property
    def _index(self) -> Any:
        faiss = _faiss()
        try:
            index = faiss.read_index(str(self.folder / VECTORS), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise SearchError(
                f"The vectors of the index {self.folder} cannot be read; build it again, and open it anew."
            ) from error
        # Read at the first search, long after the passages perhaps: rows of another index would name the wrong ones.
        if read_manifest(self.folder)["fingerprint"] != self.fingerprint:
            raise SearchError(
                f"The index {self.folder} was replaced by another one after it was opened; open it anew."
            )
        settings = self.settings.dense
        if settings.vectors == "ivf":
            faiss.extract_index_ivf(index).nprobe = settings.nprobe
        elif settings.vectors == "hnsw":
            index.hnsw.efSearch = settings.ef_search
        return index


def identity(encoder: Encoder) -> dict[str, Any]:
    """What a ranking by vectors depends on, beside the corpus."""
    settings = encoder.settings
    used = {"flat": (), "ivf": ("nprobe",), "hnsw": ("ef_search",)}[settings.vectors]
    chosen = ("query_prompt", "passage_prompt", "vectors", "precision", *used)
    return {
        "revision": encoder.revision,
        **{name: getattr(settings, name) for name in chosen},
        **{name: version(name) for name in PACKAGES[:2]},
    }


def write_vectors(passages: Sequence[Passage], folder: Path, work: Path, encoder: Encoder) -> None:
    """Encodes the passages, shard by shard into `work` (where finished shards are taken up again), and writes the FAISS index into `folder`.

    In memory: the index itself, 4, 2 or 1 bytes a dimension and passage after `precision`; for ivf and hnsw its lists or links as well.
    """
    faiss, settings = _faiss(), encoder.settings
    shards = [_shard(passages, start, work, encoder) for start in _starts(passages, settings, len(passages))]
    index = faiss.index_factory(
        encoder.dimension, _factory(settings, len(passages)), faiss.METRIC_INNER_PRODUCT
    )
    if not index.is_trained:
        index.train(_sample(shards, len(passages)))
    # A graph depends on the order in which threads add to it; one thread makes the same one again.
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if settings.vectors == "hnsw" else threads)
    try:
        with Progress("Indexing vectors", len(passages), "passages") as progress:
            for path in shards:
                vectors = np.load(path).astype(np.float32)
                index.add(vectors)
                progress.step(len(vectors))
    finally:
        faiss.omp_set_num_threads(threads)
    faiss.write_index(index, str(folder / VECTORS))


def _starts(passages: Sequence[Passage], settings: DenseSettings, total: int) -> Iterator[int]:
    """Where each shard begins; shows what is done."""
    with Progress("Encoding", total, "passages") as progress:
        for start in range(0, total, settings.shard):
            yield start
            progress.step(min(settings.shard, total - start))


def _shard(passages: Sequence[Passage], start: int, work: Path, encoder: Encoder) -> Path:
    """The vectors of one shard as a file; made unless it is there."""
    path = work / f"{start // encoder.settings.shard:06d}.npy"
    if not path.exists():
        texts = [
            indexed(passages[row]) for row in range(start, min(start + encoder.settings.shard, len(passages)))
        ]
        vectors = encoder.passages(texts).astype(
            np.float32 if encoder.settings.precision == "float32" else np.float16
        )
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.save(stream, vectors)
    return path


def _sample(shards: Sequence[Path], total: int) -> Vectors:
    """An even sample of the vectors."""
    step = max(1, -(-total // SAMPLE))
    return np.concatenate([np.load(path, mmap_mode="r")[::step] for path in shards]).astype(np.float32)


def _factory(settings: DenseSettings, total: int) -> str:
    """FAISS' name of the index: about 4 sqrt(n) clusters, a graph with 32 links."""
    storage = {"float32": "Flat", "float16": "SQfp16", "int8": "SQ8"}[settings.precision]
    clusters = max(1, min(int(4 * total**0.5), total // 39))
    return {"flat": storage, "ivf": f"IVF{clusters},{storage}", "hnsw": f"HNSW32,{storage}"}[settings.vectors]


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingExtraError("faiss-cpu", "dense", "A search by vectors") from error
    return faiss
