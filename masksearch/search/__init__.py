"""The environment: passages in, ranked passages out, with a fingerprint that says which retriever it was.

masksearch index CORPUS -o index/          build_index
masksearch search index/ "QUERY" -k 5      load(...).search
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from masksearch.corpus import SkipCount, cut, read_documents
from masksearch.progress import Progress, say
from masksearch.search.bm25 import Bm25Searcher, build, load
from masksearch.search.neutralise import neutralise
from masksearch.search.text import Tokeniser
from masksearch.settings import IndexSettings
from masksearch.types import Passage

__all__ = ["Bm25Searcher", "build", "build_index", "highlight", "load", "neutralise", "read_passages"]


def read_passages(settings: IndexSettings, skipped: SkipCount | None = None) -> list[Passage]:
    """The passages an index with these settings holds, read from its corpus, with a progress display."""
    passages: list[Passage] = []
    skipped = SkipCount() if skipped is None else skipped
    with Progress("Reading the corpus", settings.limit, "documents") as progress:
        for document in read_documents(settings.corpus, settings.limit, skipped, settings.language, settings.workers):
            passages += cut(document, settings.max_words)
            progress.step()
    if skipped.total:
        say(skipped.table())
    return passages


def build_index(settings: IndexSettings, output: Path, work: Path) -> dict[str, Any]:
    """The stage `index`: a corpus into an index folder at `output`; returns its summary. `work` is not needed."""
    started = time.monotonic()
    skipped = SkipCount()
    passages = read_passages(settings, skipped)
    say(f"  Indexing {len(passages)} passages.")
    manifest = build(passages, output, settings)
    return {
        "text": f"{manifest['documents']} documents, {manifest['passages']} passages, {manifest['fingerprint']}",
        "documents": manifest["documents"],
        "passages": manifest["passages"],
        "words_per_passage": round(sum(len(passage.text.split()) for passage in passages) / len(passages), 1),
        "skipped": skipped.counts,
        "fingerprint": manifest["fingerprint"],
        "seconds": round(time.monotonic() - started, 2),
    }


def highlight(text: str, query: str, language: str = "en", before: str = "\x1b[1m", after: str = "\x1b[0m") -> str:
    """`text` with the words that match the query between `before` and `after`, for a terminal."""
    tokeniser = Tokeniser(language)
    wanted = set(tokeniser.terms(query))
    for term, start, end in reversed(list(tokeniser.located(text))):
        if term in wanted:
            text = f"{text[:start]}{before}{text[start:end]}{after}{text[end:]}"
    return text
