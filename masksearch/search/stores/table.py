"""Builds and opens indexes whose passages are stored by an engine."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from masksearch.corpus import corpus_hash
from masksearch.errors import DataError, SearchError, UsageError
from masksearch.runtime.files import atomic_path
from masksearch.search.index.manifest import check_files, make_manifest, read_manifest, write_manifest
from masksearch.search.index.postings import id_order
from masksearch.search.index.storage import TEXTS, StoredPassages, write_passages
from masksearch.search.settings import IndexSettings
from masksearch.search.stores import ENGINES
from masksearch.search.stores.base import Engine, StoreSearcher, identity
from masksearch.types import Passage


def build_store(
    passages: Iterable[Passage], directory: str | Path, settings: IndexSettings
) -> dict[str, Any]:
    """Writes passages to the engine, then writes the index folder; returns its manifest.

    Raises DataError if the corpus has no passages or two passages have the same id, SearchError if the
    engine fails, and UsageError if the store is missing or wrong.
    """
    if settings.kind == "opensearch" and not settings.store:
        raise UsageError("The kind opensearch needs --store http://HOST:9200/INDEX.")
    with atomic_path(directory) as folder, tempfile.TemporaryDirectory(prefix="masksearch-") as name:
        folder.mkdir()
        local = Path(name)
        write_passages(local, passages)
        if not (local / TEXTS).stat().st_size:
            raise DataError(f"There is nothing to index: {settings.corpus} holds no text.")
        stored = StoredPassages(local)
        id_order((passage.id for passage in stored), len(stored), local)  # raises if two ids are equal
        engine_type = _engine_type(settings.kind)
        manifest = make_manifest(
            settings,
            corpus_hash(stored),
            len(stored.document_starts),
            len(stored),
            identity(settings, engine_type),
            engine_type.packages,
        )
        # The table's name contains the index's fingerprint. A repeated build therefore overwrites an
        # interrupted build of the same index, and the table of an older index stays complete.
        manifest["table"] = f"{settings.kind}-{manifest['fingerprint'].rpartition('-')[2]}"
        engine_type.connect(settings.store or str(folder), manifest["table"]).fill(stored, settings.language)
        return write_manifest(folder, manifest)


def open_store(directory: Path) -> StoreSearcher:
    """Opens an index folder whose passages are stored by an engine. Raises SearchError for a damaged one."""
    manifest = read_manifest(directory)
    try:
        settings, table = IndexSettings.model_validate(manifest["settings"]), str(manifest["table"])
        check_files(directory, manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SearchError(
            f"The index {directory} is damaged ({error}); build it again with: masksearch index CORPUS -o "
            f"{directory}."
        ) from error
    engine = _engine_type(settings.kind).connect(settings.store or str(directory), table)
    return StoreSearcher(engine, manifest, directory, open_store)


def _engine_type(kind: str) -> type[Engine]:
    module, _, name = ENGINES[kind].partition(":")
    engine_type: type[Engine] = getattr(importlib.import_module(module), name)
    return engine_type
