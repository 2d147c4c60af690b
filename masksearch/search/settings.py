"""Settings of indexes and searches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from masksearch.corpus.layouts.fields import parse_fields
from masksearch.corpus.packaged import DEFAULT_CORPUS
from masksearch.runtime.settings import Settings
from masksearch.types import Language

DEFAULT_ENCODER = "minilm"


class DenseSettings(Settings):
    """How passages become vectors and how the vectors are searched. Only the kinds dense and hybrid use
    these settings."""

    encoder: str = DEFAULT_ENCODER
    """Sentence encoder: `minilm` (the packaged all-MiniLM-L6-v2), a sentence-transformers folder, or a
    model name on the hub."""
    query_prompt: str = ""
    """Text put before each query, such as "query: " for E5 models. If empty, the encoder's own prompt named
    query is used, if it exists."""
    passage_prompt: str = ""
    """Text put before each passage, such as "passage: ". If empty, the encoder's own prompt named document
    or passage is used, if it exists."""
    vectors: Literal["flat", "ivf", "hnsw"] = "flat"
    """FAISS index: flat (exact), ivf (clusters, of which only the nearest are searched), hnsw (a graph)."""
    precision: Literal["float32", "float16", "int8"] = "float16"
    """Number format of the stored vectors."""
    nprobe: int = Field(16, ge=1)
    """Number of clusters searched per query (ivf)."""
    ef_search: int = Field(128, ge=1)
    """Number of candidates kept during the graph search (hnsw)."""
    batch: int = Field(64, ge=1)
    """Number of passages or queries encoded in one batch."""
    shard: int = Field(4096, ge=1)
    """Number of passages encoded between two saves; an interrupted build repeats at most this many."""
    rrf_k: int = Field(10, ge=1)
    """Constant k of reciprocal rank fusion (hybrid): a passage at rank r of the BM25 ranking adds 1 / (k
    + r)."""
    rrf_weight: float = Field(0.5, ge=0)
    """Weight of the vector ranking in the fusion; the BM25 ranking has weight 1 (hybrid)."""
    rrf_depth: int = Field(100, ge=1)
    """Number of results fused from each of the two rankings, or k if k is larger (hybrid)."""


class IndexSettings(Settings):
    """Cuts a corpus into passages and indexes them."""

    basic = ("corpus", "fields", "kind", "max_words", "limit", "language", "workers", "store")
    added = ("fields",)

    corpus: str = DEFAULT_CORPUS
    """Corpus to index: a file or folder of documents, - (JSON Lines from standard input), hf:OWNER/NAME,
    or the packaged wiki-summaries:en (also es, fr)."""
    fields: tuple[str, ...] = ()
    """Names of the corpus' fields: id=NAME, title=NAME, text=NAME, language=NAME. A name may be inside
    another field (metadata.title), several of a text (abstract+body), or the number of a column. Known ones
    need no names."""
    kind: Literal["bm25", "dense", "hybrid", "lancedb", "opensearch"] = "bm25"
    """Kind of index: bm25 (words), dense (vectors), hybrid (both), or an engine that stores the passages:
    lancedb (in a folder or a bucket), opensearch (on a server)."""
    store: str = ""
    """Where the engine stores the passages. lancedb: a folder or URI (if empty, inside the index folder);
    opensearch: http://HOST:9200/INDEX. The other kinds take no store."""
    dense: DenseSettings = DenseSettings()
    """Settings of the vectors (dense, hybrid)."""
    max_words: int = Field(60, ge=0)
    """Longest passage in words; documents are cut at sentence ends. 0 keeps each document whole."""
    limit: int | None = Field(None, ge=1)
    """Number of documents to use, counted from the start of the corpus. Unset, all documents are used."""
    language: Language = "en"
    """Language of the stemmer and the stop words, and of documents that do not name their own language."""
    workers: int = Field(1, ge=1)
    """Number of processes that parse a dump. The index is the same for any number."""

    @field_validator("fields")
    @classmethod
    def _fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_fields(value)
        return value


class NoiseSettings(Settings):
    """Noise added to search results, for robustness studies and curricula. Rates are from 0 to 1. The
    same query always gets the same noise."""

    drop: float = Field(0.0, ge=0, le=1)
    """Probability that a result is left out."""
    distract: float = Field(0.0, ge=0, le=1)
    """Probability that a result is replaced by a passage from further down the ranking."""
    shuffle: float = Field(0.0, ge=0, le=1)
    """Probability that the results of a search come in random order."""
    fail: float = Field(0.0, ge=0, le=1)
    """Probability that a search fails."""
    seed: int = 1
    """Seed of the noise."""


class SearchSettings(Settings):
    """Wrappers between the agent and any search back end."""

    rerank: str = ""
    """Cross-encoder that reranks the results: a sentence-transformers folder, or a model name on the hub.
    If empty, results are not reranked."""
    rerank_depth: int = Field(20, ge=1)
    """Number of results to rerank."""
    cache: str = ""
    """Folder that caches search results; several processes may share it. If empty, results are not cached."""
    record: str = ""
    """File that records every search with its results. If empty, searches are not recorded."""
    replay: str = ""
    """File written with `record`. The file answers all searches in place of the back end. If empty, the
    back end answers."""
    noise: NoiseSettings = NoiseSettings()
    """Noise added to the results."""
    rate: float = Field(0.0, ge=0)
    """Largest number of searches started per second; 0 means no limit."""
    concurrency: int = Field(0, ge=0)
    """Largest number of searches that run at the same time; 0 means no limit."""
    retries: int = Field(4, ge=0)
    """Number of retries, with growing pauses, when a search over the network fails temporarily."""
    timeout: float = Field(30.0, gt=0)
    """Seconds after which a search over the network counts as failed."""
    url: str = ""
    """Base URL of a proxy or mirror for a web provider or a wiki. If empty, the provider's own URL is
    used."""


class QuerySettings(Settings):
    """Searches an index, or a search service on the network."""

    basic = ("search.rerank", "search.cache", "search.timeout")

    search: SearchSettings = SearchSettings()
    """Wrappers around the search back end."""
