"""Shards on disk: each is processed independently and once, and written atomically.

    WORK/shards/000012.jsonl    the first line holds the counts, and the documents set aside with their
                                reasons; each further line holds a task

Counts and tasks are in one file, which is renamed into place when it is complete. So the counts always
belong to the tasks. A resumed run processes the missing shards, and retries the documents that were set
aside.
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
    """The file with the tasks and counts of one shard."""

    def __init__(self, folder: Path, shard: int) -> None:
        self.path = folder / f"{shard:06}.jsonl"

    @property
    def done(self) -> bool:
        """Whether the shard has been written."""
        return self.path.exists()

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Yields the tasks as JSON objects."""
        with open(self.path, encoding="utf-8") as stream:
            next(stream)
            yield from map(json.loads, stream)

    def record(self) -> tuple[MaskStats, dict[str, str]]:
        """Returns the counts, and the documents set aside: id -> reason."""
        with open(self.path, encoding="utf-8") as stream:
            value = json.loads(next(stream))
        return MaskStats.from_json(value["stats"]), value["rejects"]

    def write(self, tasks: Iterable[dict[str, Any]], stats: MaskStats, rejects: dict[str, str]) -> None:
        """Writes the shard atomically."""
        write_json_lines(self.path, [{"stats": stats.to_json(), "rejects": rejects}, *tasks])


def shard_folder(work_folder: Path) -> Path:
    """Returns the folder of a run's shards."""
    return work_folder / "shards"


class ShardWorker:
    """Processes shards in one process, with tools that are loaded at the first shard."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tools: Tools | None = None

    def __call__(self, shard: int) -> int:
        """Processes a shard, writes it and returns its number.

        Of a shard that is already written, only the documents that were set aside are processed.
        """
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
        """Adds the retried documents (`again`) to a shard, with the tasks in the order of the documents."""
        position = {doc_id: number for number, doc_id in enumerate(order)}
        tasks = [*file.tasks(), *(task.to_json() for task in again.tasks)]
        tasks.sort(key=lambda task: position[task["doc_id"]])
        stats.set_aside = 0
        stats.merge(again.stats)
        file.write(tasks, stats, again.rejects)
