"""Who works the shards: this process, several, or a Ray cluster. All call the same function, so all write the same files."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

from masksearch.errors import MissingExtraError
from masksearch.ramp.run.plan import Plan
from masksearch.ramp.run.shards import ShardWorker
from masksearch.runtime.workers import worker_pool


class Engine(Protocol):
    """Works shards, in any order."""

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """Works and writes these shards; yields the number of each when it is written."""


def open_engine(plan: Plan) -> AbstractContextManager[Engine]:
    """The engine that the settings ask for."""
    if plan.settings.engine == "ray":
        return RayEngine(plan)
    return InProcess(plan) if plan.settings.workers == 1 else Processes(plan)


class InProcess(AbstractContextManager["InProcess"]):
    """This process."""

    def __init__(self, plan: Plan) -> None:
        self._worker = ShardWorker(plan)

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """One after the other."""
        for shard in shards:
            yield self._worker(shard)

    def __exit__(self, *error: object) -> None:
        """Nothing is held."""


class Processes(AbstractContextManager["Processes"]):
    """Several processes of this machine, each with its own models and its own view of the index."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stack = ExitStack()

    def __enter__(self) -> Processes:
        self._pool = self._stack.enter_context(worker_pool(self._plan.settings.workers, _start, self._plan))
        return self

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """As they get done."""
        jobs = [self._pool.submit(_work, shard) for shard in shards]
        for job in concurrent.futures.as_completed(jobs):
            yield job.result()

    def __exit__(self, *error: object) -> None:
        self._stack.close()


_worker: ShardWorker | None = None


def _start(plan: Plan) -> None:
    global _worker
    _worker = ShardWorker(plan)


def _work(shard: int) -> int:
    assert _worker is not None
    return _worker(shard)


def check_ray() -> Any:
    """Ray, with its Data library. Raises MissingExtraError."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "The engine 'ray'") from error
    return ray


class RayEngine(AbstractContextManager["RayEngine"]):
    """Ray Data over a cluster (or this machine). The folder the run is started in, and all its settings name, must be on storage that all nodes see."""

    def __init__(self, plan: Plan) -> None:
        self._ray, self._plan = check_ray(), plan
        self._stack = ExitStack()

    def __enter__(self) -> RayEngine:
        if not self._ray.is_initialized():
            # Where RAY_ADDRESS names a cluster it is joined; otherwise one is started here with the workers asked for.
            local = (
                {}
                if os.environ.get("RAY_ADDRESS")
                else {"num_cpus": self._plan.settings.workers, "include_dashboard": False}
            )
            self._ray.init(log_to_driver=False, logging_level="ERROR", **local)
            self._stack.callback(self._ray.shutdown)
        self._ray.data.DataContext.get_current().enable_progress_bars = False
        return self

    def run(self, shards: Sequence[int]) -> Iterator[int]:
        """As they get done."""
        if not shards:
            return
        rows = self._ray.data.from_items(
            [{"shard": shard} for shard in shards], override_num_blocks=max(1, len(shards))
        )
        done = rows.map(
            _RayWorker,
            fn_constructor_args=(self._plan, os.getcwd()),
            concurrency=min(self._plan.settings.workers, len(shards)),
            num_cpus=1,
        )
        for row in done.iter_rows():
            yield int(row["shard"])

    def __exit__(self, *error: object) -> None:
        self._stack.close()


class _RayWorker:
    """An actor: loads what it needs once, then works shard after shard. In the folder the run was started in, which its paths are relative to."""

    def __init__(self, plan: Plan, folder: str) -> None:
        os.chdir(folder)
        self._worker = ShardWorker(plan)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"shard": self._worker(int(row["shard"]))}
