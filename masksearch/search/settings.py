"""Settings of indexes and searches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.corpus.packaged import DEFAULT_CORPUS
from masksearch.runtime.settings import Settings
from masksearch.types import Language

DEFAULT_ENCODER = "minilm"


class DenseSettings(Settings):
    """How passages become vectors, and where these are looked for; used by the kinds dense and hybrid."""

    encoder: str = DEFAULT_ENCODER
    """`minilm` (the packaged all-MiniLM-L6-v2), a sentence-transformers folder, or a model hub's name."""
    query_prompt: str = ""
    """Put before each query, such as "query: " for E5 models; empty: the encoder's own prompt named query, if it has one."""
    passage_prompt: str = ""
    """Put before each passage, such as "passage: "; empty: the encoder's own prompt named document or passage, if it has one."""
    vectors: Literal["flat", "ivf", "hnsw"] = "flat"
    """FAISS index: flat (exact), ivf (clusters, of which some are looked into), hnsw (a graph)."""
    precision: Literal["float32", "float16", "int8"] = "float16"
    """Of the stored vectors."""
    nprobe: int = Field(16, ge=1)
    """Clusters looked into by ivf."""
    ef_search: int = Field(128, ge=1)
    """Breadth of the walk by hnsw."""
    batch: int = Field(64, ge=1)
    """Passages encoded at a time."""
    shard: int = Field(4096, ge=1)
    """Passages encoded between two savings: most that a broken-off build does again."""
    rrf_k: int = Field(10, ge=1)
    """k of reciprocal rank fusion (hybrid): a passage at rank r of the words' ranking adds 1 / (k + r)."""
    rrf_weight: float = Field(0.5, ge=0)
    """What a rank among the vectors counts, where one among the words counts 1 (hybrid)."""
    rrf_depth: int = Field(100, ge=1)
    """Results of each of the two that are fused (hybrid)."""


class IndexSettings(Settings):
    """Cuts a corpus into passages and indexes them."""

    corpus: str = DEFAULT_CORPUS
    kind: Literal["bm25", "dense", "hybrid", "lancedb", "opensearch"] = "bm25"
    """bm25 (words), dense (vectors), hybrid (both), or an engine that the passages are given to: lancedb (a folder or a bucket), opensearch (a server)."""
    store: str = ""
    """Where the engine keeps the passages. lancedb: a folder or URI (empty: inside the index folder); opensearch: http://HOST:9200/INDEX."""
    dense: DenseSettings = DenseSettings()
    max_words: int = Field(60, ge=0)
    """Longest passage in words, cut at sentence ends; 0 keeps each document whole."""
    limit: int | None = Field(None, ge=1)
    """Use the first documents only."""
    language: Language = "en"
    """Stemmer and stop words; also the language of documents that do not name their own."""
    workers: int = Field(1, ge=1)
    """Processes that parse a dump; the index is the same for any number."""


class NoiseSettings(Settings):
    """A worse search than there is, for studies of robustness and for curricula. Rates from 0 to 1; the same query meets the same noise."""

    drop: float = Field(0.0, ge=0, le=1)
    """Chance of each result to be left out."""
    distract: float = Field(0.0, ge=0, le=1)
    """Chance of each result to be replaced by one from further down the ranking."""
    shuffle: float = Field(0.0, ge=0, le=1)
    """Chance of each search to have its results in a random order."""
    fail: float = Field(0.0, ge=0, le=1)
    """Chance of each search to fail."""
    seed: int = 1


class SearchSettings(Settings):
    """What stands between the agent and a search back end, whichever that is."""

    rerank: str = ""
    """Cross-encoder that orders the results anew: a sentence-transformers folder, or a model hub's name; empty: none."""
    rerank_depth: int = Field(20, ge=1)
    """Results it looks at."""
    cache: str = ""
    """Folder where answers are kept and looked up, shared between processes; empty: none."""
    record: str = ""
    """File to which every search is written with its answer."""
    replay: str = ""
    """File made with `record`: answers come from there, and nothing else is asked."""
    noise: NoiseSettings = NoiseSettings()
    rate: float = Field(0.0, ge=0)
    """Most searches begun in a second; 0: any number."""
    concurrency: int = Field(0, ge=0)
    """Most searches at a time; 0: any number."""
    retries: int = Field(4, ge=0)
    """Further tries, with growing pauses, where a search over the network fails in a way that may pass."""
    timeout: float = Field(30.0, gt=0)
    """Seconds until a search over the network counts as failed."""
    url: str = ""
    """Another base URL for a web provider or a wiki: a proxy, a mirror."""


class AskSettings(Settings):
    """Asks an index, or a search over the network."""

    search: SearchSettings = SearchSettings()
