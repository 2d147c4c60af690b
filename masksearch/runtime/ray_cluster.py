"""Ray: the check that it is installed, the cluster of a run, and actors that work through a list of rows.

Two stages have an engine `ray` that uses this module: masking (`ramp/run/shard_workers.py`) and the teacher
`agents` (`synthesis/agents/ray.py`). Ray is imported only when a function of this module needs it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from masksearch.errors import MissingExtraError

Row = dict[str, Any]
Work = Callable[[Row], list[Row]]
"""The work of an actor: takes one row and returns the rows made from it."""


def import_ray() -> Any:
    """Returns the module `ray` with its Data library loaded. Raises MissingExtraError."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "The engine 'ray'") from error
    return ray


@contextlib.contextmanager
def ray_cluster(workers: int) -> Iterator[Any]:
    """Connects to a Ray cluster for the time of a block; yields the module `ray`. Raises MissingExtraError.

    If RAY_ADDRESS names a cluster, that cluster is joined; otherwise a local cluster is started with
    `workers` processors. A connection that exists already is used and left open.
    """
    ray = import_ray()
    connects = not ray.is_initialized()
    if connects:
        joins = bool(os.environ.get("RAY_ADDRESS"))
        local = {} if joins else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="ERROR", **local)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
    finally:
        if connects:
            ray.shutdown()


def map_rows(
    ray: Any, rows: Sequence[Row], make_work: Callable[..., Work], arguments: tuple[Any, ...], workers: int
) -> Iterator[Row]:
    """Yields the actors' results for `rows`, in the order in which they finish.

    At most `workers` actors run at a time, with one processor each. An actor calls `make_work(*arguments)`
    once, which may open an index or load a model. The actor then calls the returned function for each of its
    rows.

    An actor works in the working folder of this process, because paths in the settings are relative to this
    folder. The folder, and all files that the settings name, must be on storage that all nodes see.
    """
    if not rows:
        return
    # One block per row, so that an actor that is done takes the next row.
    dataset = ray.data.from_items(list(rows), override_num_blocks=len(rows))
    results = dataset.flat_map(
        _Actor,
        fn_constructor_args=(os.getcwd(), make_work, arguments),
        concurrency=min(workers, len(rows)),
        num_cpus=1,
    )
    yield from results.iter_rows()


class _Actor:
    """An actor of Ray Data: does its work in the working folder of the process that started the run."""

    def __init__(self, folder: str, make_work: Callable[..., Work], arguments: tuple[Any, ...]) -> None:
        os.chdir(folder)
        self._work = make_work(*arguments)

    def __call__(self, row: Row) -> list[Row]:
        return self._work(row)
