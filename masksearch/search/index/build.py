"""Builds index folders of the kinds bm25, dense and hybrid. A folder appears only when it is complete.

Only a few passages are in memory at a time. Encoded vectors are kept until the folder is complete:

WORK/vectors/000012.npy     a shard of vectors
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from masksearch.corpus import corpus_hash
from masksearch.errors import DataError
from masksearch.runtime.files import atomic_path, remove
from masksearch.runtime.resume import claim
from masksearch.search.index import bm25
from masksearch.search.index.manifest import make_manifest, write_manifest
from masksearch.search.index.postings import id_order
from masksearch.search.index.storage import TEXTS, StoredPassages, write_passages
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage

ORDER = "order.npy"


def build(
    passages: Iterable[Passage], directory: str | Path, settings: IndexSettings, work: Path | None = None
) -> dict[str, Any]:
    """Indexes passages, writes the folder `directory` and returns its manifest.

    Encoded vectors are kept in `work` until the folder is complete, so that an interrupted build resumes.
    Raises DataError if the corpus has no passages, or if two passages have the same id.
    """
    with atomic_path(directory) as folder:
        folder.mkdir()
        write_passages(folder, passages)
        if not (folder / TEXTS).stat().st_size:
            raise DataError(f"There is nothing to index: {settings.corpus} holds no text.")
        with contextlib.closing(StoredPassages(folder)) as stored:
            manifest = _index(stored, folder, settings, work)
        write_manifest(folder, manifest)
    if work is not None:
        remove(work / "vectors")
    return manifest


def _index(
    stored: StoredPassages, folder: Path, settings: IndexSettings, work: Path | None
) -> dict[str, Any]:
    """Writes the files of the index next to the stored passages, and returns its manifest."""
    depends: dict[str, Any] = {}
    packages: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory(dir=folder, prefix="runs-") as runs:
        np.save(folder / ORDER, id_order((passage.id for passage in stored), len(stored), Path(runs)))
        if settings.kind in ("bm25", "hybrid"):
            bm25.write_bm25(stored, folder, Path(runs), settings.language)
            depends |= bm25.identity(settings)
            packages += bm25.PACKAGES
    texts = corpus_hash(stored)
    if settings.kind in ("dense", "hybrid"):
        depends |= _add_vectors(stored, folder, settings, texts, work)
        packages += _dense_packages()
    if settings.kind == "hybrid":
        depends |= {name: getattr(settings.dense, name) for name in ("rrf_k", "rrf_weight", "rrf_depth")}
    return make_manifest(settings, texts, len(stored.document_starts), len(stored), depends, packages)


def _add_vectors(
    stored: StoredPassages, folder: Path, settings: IndexSettings, texts: str, work: Path | None
) -> dict[str, Any]:
    from masksearch.search.index import dense
    from masksearch.search.index.encoder import Encoder

    encoder = Encoder(settings.dense)
    depends = dense.identity(encoder)
    with tempfile.TemporaryDirectory(dir=folder, prefix="vectors-") as temporary:
        shards = Path(temporary) if work is None else work / "vectors"
        key = json.dumps({"corpus": texts, "shard": settings.dense.shard, **depends}, indent=1)
        claim(shards / "of.json", key, lambda: remove(shards))
        dense.write_vectors(stored, folder, shards, encoder)
    return depends


def _dense_packages() -> tuple[str, ...]:
    from masksearch.search.index.dense import PACKAGES

    return PACKAGES
