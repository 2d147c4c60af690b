"""The engines that mask shards: this process, several processes, or a Ray cluster.

All engines call the same `ShardWorker`, so all write the same files.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

from masksearch.ramp.run.plan import Plan
from masksearch.ramp.run.shards import ShardWorker
from masksearch.runtime.ray_cluster import map_rows, ray_cluster
from masksearch.runtime.workers import worker_pool


class Engine(Protocol):
    """Makes the tasks of shards, in any order."""

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """Makes and writes the tasks of these shards; yields the number of each shard once it is written."""


Worker = Callable[[int], int]
"""Processes a shard, writes its file and returns its number."""
MakeWorker = Callable[[Plan], Worker]
"""Builds the worker of a process; a class at the top of a module, so that it can be pickled."""


def open_engine(plan: Plan, make: MakeWorker = ShardWorker) -> AbstractContextManager[Engine]:
    """Returns the engine that the settings name, with workers that `make` builds."""
    if plan.settings.engine == "ray":
        return RayEngine(plan, make)
    return InProcess(plan, make) if plan.settings.workers == 1 else Processes(plan, make)


class InProcess(AbstractContextManager["InProcess"]):
    """Masks shards in this process."""

    def __init__(self, plan: Plan, make: MakeWorker) -> None:
        self._worker = make(plan)

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """Masks the shards one after the other."""
        for shard in shards:
            yield self._worker(shard)

    def __exit__(self, *error: object) -> None:
        """Does nothing: there are no processes to end."""


class Processes(AbstractContextManager["Processes"]):
    """Masks shards in several processes of this machine; each loads its own models and opens the index."""

    def __init__(self, plan: Plan, make: MakeWorker) -> None:
        self._plan, self._make = plan, make
        self._stack = ExitStack()

    def __enter__(self) -> Processes:
        pool = worker_pool(self._plan.settings.workers, _load_worker, (self._make, self._plan))
        self._pool = self._stack.enter_context(pool)
        return self

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """Yields shards in the order in which they are finished."""
        jobs = [self._pool.submit(_mask_shard, shard) for shard in shards]
        for job in concurrent.futures.as_completed(jobs):
            yield job.result()

    def __exit__(self, *error: object) -> None:
        self._stack.close()


# Set in each process of the pool by `_load_worker`, so that the tools are loaded only once per process.
_worker: Worker | None = None


def _load_worker(made: tuple[MakeWorker, Plan]) -> None:
    global _worker
    make, plan = made
    _worker = make(plan)


def _mask_shard(shard: int) -> int:
    assert _worker is not None
    return _worker(shard)


class RayEngine(AbstractContextManager["RayEngine"]):
    """Masks shards with Ray Data, on a cluster or this machine.

    The work folder, and all files that the settings name, must be on storage that all nodes see.
    """

    def __init__(self, plan: Plan, make: MakeWorker) -> None:
        self._plan, self._make = plan, make
        self._stack = ExitStack()

    def __enter__(self) -> RayEngine:
        self._ray = self._stack.enter_context(ray_cluster(self._plan.settings.workers))
        return self

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """Yields shards in the order in which they are finished."""
        rows = [{"shard": shard} for shard in shards]
        made = (self._plan, self._make)
        for row in map_rows(self._ray, rows, _RayWorker, made, self._plan.settings.workers):
            yield int(row["shard"])

    def __exit__(self, *error: object) -> None:
        self._stack.close()


class _RayWorker:
    """A worker in a Ray actor, called by Ray Data with rows that hold a shard number."""

    def __init__(self, plan: Plan, make: MakeWorker) -> None:
        self._worker = make(plan)

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"shard": self._worker(int(row["shard"]))}]
