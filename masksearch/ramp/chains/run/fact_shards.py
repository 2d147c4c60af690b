"""Facts on disk: each shard of documents is parsed once, and its file is written atomically.

WORK/facts/000012.jsonl    the first line holds the counts; each further line holds a fact
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from masksearch.corpus import document_side
from masksearch.ramp.chains.reading.reader import PASSAGES, read_documents
from masksearch.ramp.chains.records import Fact
from masksearch.ramp.generate import Source
from masksearch.ramp.run.plan import Plan, excluded_passages
from masksearch.ramp.run.prepare import FACTS
from masksearch.ramp.spans.entities import load_parser
from masksearch.runtime.files import write_json_lines
from masksearch.search.index.storage import common_titles
from masksearch.types import Passage


def fact_file(work: Path, shard: int) -> Path:
    """Returns the file of a shard's facts."""
    return work / FACTS / f"{shard:06}.jsonl"


def read_facts(work: Path, shards: int) -> Iterator[Fact]:
    """Yields the facts of all shards in order."""
    for shard in range(shards):
        with open(fact_file(work, shard), encoding="utf-8") as stream:
            next(stream)
            for line in stream:
                yield Fact.from_json(json.loads(line))


def read_counts(work: Path, shards: int) -> Counter[str]:
    """Returns the summed counts of all shards: `documents`, and the reasons of skipped ones."""
    total: Counter[str] = Counter()
    for shard in range(shards):
        with open(fact_file(work, shard), encoding="utf-8") as stream:
            total.update(json.loads(next(stream)))
    return total


class FactWorker:
    """Reads the facts of shards in one process; loads the parser at the first shard."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._parser: Any = None
        self._excluded: Callable[[Passage], str] | None = None
        self._common: frozenset[str] = frozenset()

    def __call__(self, shard: int) -> int:
        """Reads and writes the facts of a shard; returns its number."""
        settings = self._plan.settings
        if self._excluded is None:
            self._parser = load_parser(settings.ner_model)
            self._common = common_titles(self._plan.store)
            self._excluded = excluded_passages(settings, self._common)
        counts: Counter[str] = Counter()
        documents = []
        for source in self._plan.sources(shard):
            passages = self._usable(source, counts)
            if passages:
                documents.append(passages)
        facts = [fact for found in read_documents(documents, self._parser) for fact in found]
        counts["documents"] = len(documents)
        rows = (fact.to_json() for fact in facts)
        write_json_lines(fact_file(self._plan.work, shard), [dict(counts), *rows])
        return shard

    def _usable(self, source: Source, counts: Counter[str]) -> list[Passage]:
        """Returns the passages of a document that may be read; counts why the document is skipped."""
        settings = self._plan.settings
        passages = list(source.passages[:PASSAGES])
        if not passages:
            return []
        side = document_side(source.id, passages[0].title, settings.heldout_share, self._common)
        if settings.split not in ("all", side):
            counts["on the other side of the split"] += 1
            return []
        if (passages[0].language or settings.language) != "en":
            counts["not in English"] += 1
            return []
        assert self._excluded is not None
        reason = next(filter(None, map(self._excluded, passages)), "")
        if reason:
            counts[reason] += 1
            return []
        return [passage for place, passage in enumerate(passages) if place not in source.copies]
