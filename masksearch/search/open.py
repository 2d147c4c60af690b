"""Opens a search back end: an index folder, or a service on the network by its name.

DIR                      an index built by `masksearch index`, of any kind
http://HOST:PORT         a server of Search-R1's retrieval protocol, such as `masksearch serve`
web:NAME                 a web search provider: serper, serpapi, brave, tavily
wikipedia:LANGUAGE       the live Wikipedia
FILE.py:NAME             your own function `search(query, k)` (search/own.py)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masksearch.errors import SearchError, UsageError
from masksearch.protocols import Searcher
from masksearch.runtime.own import is_own
from masksearch.search.index.base import LocalSearcher, mapped
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.search.index.build import ORDER
from masksearch.search.index.manifest import MANIFEST, check_files, index_folder, read_manifest
from masksearch.search.index.storage import StoredPassages
from masksearch.search.own import OwnSearcher
from masksearch.search.settings import SearchSettings
from masksearch.search.stores import ENGINES

ATTEMPTS = 5
"""Number of attempts to open an index that another process is replacing."""


def load(directory: str | Path) -> LocalSearcher:
    """Opens an index folder that holds its own passages, memory-mapped.

    Raises SearchError if the folder is not an index, is damaged, or was built by another version, and
    UsageError if an engine stores the passages.
    """
    directory = Path(directory)
    for _ in range(ATTEMPTS):
        # A rebuilt index replaces the folder. If some files are opened before and some after the
        # replacement, files of two builds could be mixed unnoticed, or a good index could look damaged.
        # Therefore the manifests before and after opening are compared.
        before = _version(directory)
        try:
            opened = _opened(directory)
        except SearchError:
            if _version(directory) == before:
                raise
            continue
        if _version(directory) == before:
            opened.reopen = load
            return opened
    raise SearchError(
        f"The index {directory} was replaced by another one each time it was opened; open it again when "
        "the build is done."
    )


def _version(directory: Path) -> tuple[int, int] | None:
    """Returns inode and modification time (ns) of the manifest, which identify a build, or None if the
    manifest is missing."""
    try:
        found = (directory / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _opened(directory: Path) -> LocalSearcher:
    manifest = read_manifest(directory)
    kind = manifest["kind"]
    if kind in ENGINES:
        raise UsageError(
            f"The index {directory} keeps its passages elsewhere (kind {kind}), but an index of the kind "
            "bm25, dense or hybrid is needed here."
        )
    try:
        check_files(directory, manifest)
        passages = StoredPassages(directory)
        order = mapped(directory / ORDER)  # int32 (passages,)
        if not len(passages) == len(order) == manifest["passages"]:
            raise ValueError("the files differ in the number of passages")
        if kind == "bm25":
            return Bm25Searcher.open(directory, passages, order, manifest)
        from masksearch.search.index.dense import DenseSearcher

        dense = DenseSearcher(passages, order, manifest, directory)
        if kind == "dense":
            return dense
        from masksearch.search.index.hybrid import HybridSearcher

        return HybridSearcher(Bm25Searcher.open(directory, passages, order, manifest), dense)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SearchError(
            f"The index {directory} is damaged ({error}); build it again with: masksearch index CORPUS -o "
            f"{directory}."
        ) from error


def open_searcher(spec: str, settings: SearchSettings | None = None) -> Searcher:
    """Opens the back end that `spec` names and adds the wrappers that the settings ask for.

    Raises SearchError if the back end cannot be opened, UsageError for wrong settings, and
    MissingExtraError if an optional package is not installed.
    """
    from masksearch.search.remote import is_remote, open_remote
    from masksearch.search.wrappers import Replay, check, wrapped

    settings = settings or SearchSettings()
    check(settings)
    if settings.replay:
        # The record replaces the back end, so cache, limits and retries are not needed.
        kept = settings.model_copy(update={"replay": "", "cache": "", "rate": 0.0, "concurrency": 0})
        return wrapped(Replay(Path(settings.replay)), kept, network=False)
    if is_own(spec):
        return wrapped(OwnSearcher(spec), settings, network=True)
    remote = is_remote(spec)
    searcher = open_remote(spec, settings.timeout, settings.url) if remote else _folder(spec)
    return wrapped(searcher, settings, remote)


def _folder(spec: str) -> Searcher:
    folder = index_folder(spec)
    if read_manifest(folder)["kind"] in ENGINES:
        from masksearch.search.stores.table import open_store

        return open_store(folder)
    return load(folder)


def describe(spec: str) -> dict[str, Any]:
    """Returns the manifest entries that determine an index's results, or {} for a search over the network."""
    folder = index_folder(spec)
    if not (folder / MANIFEST).is_file():
        return {}
    manifest = read_manifest(folder)
    return {name: value for name, value in manifest.items() if name not in ("files", "source_hash", "table")}
