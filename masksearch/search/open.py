"""Opens what a search is to be done with: an index folder, or a back end over the network by its name.

DIR                      an index of `masksearch index`, of any kind
http://HOST:PORT         a server that speaks Search-R1's protocol, such as `masksearch serve`
web:NAME                 a web search provider: serper, serpapi, brave, tavily
wikipedia:LANGUAGE       the live Wikipedia
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masksearch.errors import SearchError, UsageError
from masksearch.protocols import Searcher
from masksearch.search.index.base import LocalSearcher, mapped
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.search.index.build import ORDER
from masksearch.search.index.manifest import MANIFEST, check_files, read_manifest
from masksearch.search.index.storage import StoredPassages
from masksearch.search.settings import SearchSettings

STORES = ("lancedb", "opensearch")
"""Kinds of indexes whose passages an engine keeps."""
ATTEMPTS = 5
"""To open an index that is replaced just then."""


def load(directory: str | Path) -> LocalSearcher:
    """Opens an index folder with its passages in it, memory-mapped. Raises SearchError: no index, another version's, or damaged."""
    directory = Path(directory)
    for _ in range(ATTEMPTS):
        # An index that is built anew meanwhile takes the folder's place: files of both would fit together without a sign of it, or seem damaged.
        before = _stamp(directory)
        try:
            opened = _opened(directory)
        except SearchError:
            if _stamp(directory) == before:
                raise
            continue
        if _stamp(directory) == before:
            opened.reopen = load
            return opened
    raise SearchError(
        f"The index {directory} was replaced by another one each time it was opened; open it when it is built."
    )


def _stamp(directory: Path) -> tuple[int, int] | None:
    """Which building of an index stands in a folder; None where none does."""
    try:
        found = (directory / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _opened(directory: Path) -> LocalSearcher:
    manifest = read_manifest(directory)
    kind = manifest["kind"]
    if kind in STORES:
        raise UsageError(
            f"The index {directory} keeps its passages elsewhere (kind {kind}); this needs one of the kind bm25, dense or hybrid."
        )
    try:
        check_files(directory, manifest)
        passages = StoredPassages(directory)
        order = mapped(directory / ORDER)
        if not len(passages) == len(order) == manifest["passages"]:
            raise ValueError("the files differ in the number of passages")
        if kind == "bm25":
            return Bm25Searcher.open(directory, passages, order, manifest)
        from masksearch.search.index.dense import DenseSearcher

        meaning = DenseSearcher(passages, order, manifest, directory)
        if kind == "dense":
            return meaning
        from masksearch.search.index.hybrid import HybridSearcher

        return HybridSearcher(Bm25Searcher.open(directory, passages, order, manifest), meaning)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SearchError(
            f"The index {directory} is damaged ({error}); build it again with: masksearch index CORPUS -o {directory}."
        ) from error


def open_searcher(spec: str, settings: SearchSettings | None = None) -> Searcher:
    """Whatever `spec` names, with what the settings put round it. Raises SearchError, UsageError, MissingExtraError."""
    from masksearch.search.remote import is_remote, open_remote
    from masksearch.search.wrappers import Replay, check, wrapped

    settings = settings or SearchSettings()
    check(settings)
    remote = is_remote(spec)
    if settings.replay:
        return wrapped(
            Replay(Path(settings.replay)),
            settings.model_copy(update={"replay": "", "cache": "", "rate": 0.0, "concurrency": 0}),
            False,
        )
    return wrapped(
        open_remote(spec, settings.timeout, settings.url) if remote else _folder(spec), settings, remote
    )


def _folder(spec: str) -> Searcher:
    if read_manifest(Path(spec))["kind"] in STORES:
        from masksearch.search.stores.table import open_store

        return open_store(Path(spec))
    return load(spec)


def describe(spec: str) -> dict[str, Any]:
    """What is known of a search beside its fingerprint: for an index folder all that its results depend on; empty for a search over the network."""
    if not (Path(spec) / MANIFEST).is_file():
        return {}
    manifest = read_manifest(Path(spec))
    return {name: value for name, value in manifest.items() if name not in ("files", "source_hash", "table")}
