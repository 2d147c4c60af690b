"""The output of a run: one file of tasks, or a folder of shards with a manifest and a data card."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.ramp.run.card import render_card
from masksearch.runtime.files import atomic_path, hash_file, write_json, write_json_lines, write_text
from masksearch.runtime.records import write_task_parquet

TASKS_FORMAT = "masksearch-tasks/1"
MANIFEST = "manifest.json"
CARD = "README.md"
TASKS_PER_FILE = 50_000
"""Maximum number of tasks per file of a folder."""
SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".json", ".parquet")


def is_folder_product(output: Path) -> bool:
    """Whether an output is a folder of shards: its name has no suffix."""
    return str(output) != "-" and not output.suffix


def check_output(output: Path) -> None:
    """Raises UsageError for an output file with an unknown suffix."""
    if str(output) != "-" and output.suffix and not output.name.endswith(SUFFIXES):
        raise UsageError(
            f"-o {output}: tasks are written as {', '.join(SUFFIXES)}, "
            "or as a folder of shards (a name without a suffix)."
        )


def write_tasks(output: Path, tasks: Iterable[dict[str, Any]]) -> None:
    """Writes one file atomically: JSON Lines (also compressed) or Parquet."""
    if output.suffix == ".parquet":
        write_task_parquet(output, tasks)
    else:
        write_json_lines(output, tasks)


def write_folder(
    output: Path, tasks: Iterable[dict[str, Any]], kind: str, finish: Callable[[], dict[str, Any]]
) -> None:
    """Writes a folder of files with up to `TASKS_PER_FILE` tasks each, a manifest and a data card.

    `finish()` is called after the last task and returns the report of the run.
    """
    with atomic_path(output) as folder:
        folder.mkdir()
        files = [_write_shard(folder, number, block, kind) for number, block in enumerate(_blocks(tasks))]
        report = finish()  # the counts of the report are complete only after the last task
        write_json(folder / MANIFEST, {"format": TASKS_FORMAT, "files": files, **report})
        write_text(folder / CARD, render_card(report, files, kind))


def _write_shard(folder: Path, number: int, tasks: Iterable[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Writes file `number` of the tasks and returns the file's entry in the manifest."""
    path = folder / f"tasks-{number:05}.{kind}"
    count = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal count
        for task in tasks:
            count += 1
            yield task

    write_tasks(path, counted())
    return {"name": path.name, "tasks": count, "bytes": path.stat().st_size, "sha256": hash_file(path)}


def _blocks(tasks: Iterable[dict[str, Any]]) -> Iterator[Iterable[dict[str, Any]]]:
    """Yields blocks of `TASKS_PER_FILE` tasks as iterators, so that no block is held in memory."""
    iterator = iter(tasks)
    for first in iterator:
        yield itertools.chain([first], itertools.islice(iterator, TASKS_PER_FILE - 1))
