"""Shards on disk: each worked by itself, written whole or not at all, never worked twice.

    WORK/shards/000012.jsonl    first line: counts, and the documents that were set aside with the reason; then the tasks

One file, renamed into place, so that counts and tasks always belong together. A run that was broken off goes on with the shards that
are missing. Documents that were set aside are worked again by a later run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from masksearch.ramp.generate import Tools, Worked, work
from masksearch.ramp.run.plan import Plan, build_tools
from masksearch.ramp.run.tally import MaskStats
from masksearch.runtime.files import write_json_lines


class ShardFile:
    """The file of one shard."""

    def __init__(self, folder: Path, shard: int) -> None:
        self.path = folder / f"{shard:06}.jsonl"

    @property
    def done(self) -> bool:
        """Whether the shard is written."""
        return self.path.exists()

    def tasks(self) -> Iterator[dict[str, Any]]:
        """The tasks as JSON objects."""
        with open(self.path, encoding="utf-8") as stream:
            next(stream)
            yield from map(json.loads, stream)

    def record(self) -> tuple[MaskStats, dict[str, str]]:
        """The counts, and document id -> why it was set aside."""
        with open(self.path, encoding="utf-8") as stream:
            value = json.loads(next(stream))
        return MaskStats.from_json(value["stats"]), value["rejects"]

    def write(self, tasks: Iterable[dict[str, Any]], stats: MaskStats, rejects: dict[str, str]) -> None:
        """Writes the shard, whole."""
        write_json_lines(self.path, [{"stats": stats.to_json(), "rejects": rejects}, *tasks])


def shard_folder(work_folder: Path) -> Path:
    """Where a run's shards lie."""
    return work_folder / "shards"


class ShardWorker:
    """Works shards in one process, with tools that are loaded at the first one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tools: Tools | None = None

    def __call__(self, shard: int) -> int:
        """Works one shard, or what was set aside of it, and writes it; returns its number."""
        if self._tools is None:
            self._tools = build_tools(self._plan)
        file = ShardFile(shard_folder(self._plan.work), shard)
        sources = self._plan.sources(shard)
        if not file.done:
            done = work(sources, self._tools)
            file.write([task.to_json() for task in done.tasks], done.stats, done.rejects)
            return shard
        stats, rejects = file.record()
        again = work([source for source in sources if source.id in rejects], self._tools)
        self._add(file, stats, again, [source.id for source in sources])
        return shard

    def _add(self, file: ShardFile, stats: MaskStats, again: Worked, order: list[str]) -> None:
        """Puts the tasks of documents that were set aside before in among the others, where they belong."""
        place = {name: number for number, name in enumerate(order)}
        tasks = [*file.tasks(), *(task.to_json() for task in again.tasks)]
        tasks.sort(key=lambda task: place[task["doc_id"]])
        stats.set_aside = 0
        stats.merge(again.stats)
        file.write(tasks, stats, again.rejects)
