"""The stage `index`: reads a corpus, cuts its documents into passages and builds the index folder.

masksearch index CORPUS -o index/
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from masksearch.corpus import SkipCount, cut, read_documents
from masksearch.corpus.layouts.fields import parse_fields
from masksearch.errors import UsageError
from masksearch.runtime.progress import Progress, say
from masksearch.search.index.build import build
from masksearch.search.settings import IndexSettings
from masksearch.search.stores import ENGINES
from masksearch.types import Passage


def read_passages(settings: IndexSettings, skipped: SkipCount | None = None) -> Iterator[Passage]:
    """Yields the passages for an index with these settings.

    Reads the corpus one document at a time and shows progress. Records and files that cannot be read are
    counted in `skipped` and reported at the end.
    """
    skipped = SkipCount() if skipped is None else skipped
    with Progress("Reading the corpus", settings.limit, "documents") as progress:
        for document in read_documents(
            settings.corpus,
            settings.limit,
            skipped,
            settings.language,
            settings.workers,
            parse_fields(settings.fields),
        ):
            yield from cut(document, settings.max_words)
            progress.step()
    if table := skipped.table():
        say(table)


def build_index(settings: IndexSettings, output: Path, work: Path) -> dict[str, Any]:
    """Builds the index folder `output` from a corpus and returns the stage's summary.

    Encoded vectors are kept in `work` until the folder is complete, so that an interrupted build resumes.
    Raises UsageError if `store` is set and the kind of index would ignore it.
    """
    if settings.store and settings.kind not in ENGINES:
        raise UsageError(
            f"--store has no effect on an index of the kind {settings.kind}; leave it out, or choose --kind "
            f"{' or '.join(ENGINES)}."
        )
    started = time.monotonic()
    skipped, words = SkipCount(), 0

    def counted() -> Iterator[Passage]:
        nonlocal words
        for passage in read_passages(settings, skipped):
            words += len(passage.text.split())
            yield passage

    if settings.kind in ENGINES:
        from masksearch.search.stores.table import build_store

        manifest = build_store(counted(), output, settings)
    else:
        manifest = build(counted(), output, settings, work)
    counts = f"{manifest['documents']} documents, {manifest['passages']} passages"
    return {
        "text": f"{counts}, {manifest['fingerprint']}",
        "documents": manifest["documents"],
        "passages": manifest["passages"],
        "words_per_passage": round(words / manifest["passages"], 1),
        "skipped": skipped.counts,
        **({"unread_files": skipped.unread} if skipped.unread else {}),
        "fingerprint": manifest["fingerprint"],
        "seconds": round(time.monotonic() - started, 2),
    }
