"""`masksearch export`: writes trajectories for another trainer, and reports the numbers written and left out.

Only one trajectory at a time is in memory.

    masksearch export trajectories.jsonl --to trl --model base -o rows.parquet
    masksearch export trajectories.jsonl --to llamafactory -o data/search.jsonl
    masksearch export tasks.jsonl --to verl -o train.parquet
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, MissingExtraError, UsageError
from masksearch.interop.export import llamafactory, trl, verl
from masksearch.interop.export.chat import has_special_token
from masksearch.interop.export.exportable import LeftOut, Rows, as_trajectory, fault, is_trajectory, read_all
from masksearch.interop.export.settings import ExportSettings, Shape, check, shape_of, stem
from masksearch.interop.export.writer import Columns, write
from masksearch.runtime.progress import Progress
from masksearch.types import Task, Trajectory

Converter = Callable[[Trajectory, Task], list[dict[str, Any]]]


def export(settings: ExportSettings, output: str) -> dict[str, Any]:
    """Writes the target's data to `output`; returns `read`, `written`, `left_out` by reason, and `text`.

    Raises UsageError for inconsistent settings, DataError and FormatError for bad input, and
    ModelError if the tokenizer cannot be loaded. After an error, no output file is written.
    """
    check(settings, output)
    rows = iter(read_all(settings.trajectories))
    first = next(rows)
    everything = chain([first], rows)
    if settings.to == "inspect":
        return _export_log(settings, output, everything)
    if settings.to == "verl" and not is_trajectory(first[1]):
        return _export_tasks(settings, output, everything)
    if settings.answer_form or (settings.to == "verl" and settings.name):
        raise UsageError(
            "--answer-form and, for verl, --name are for tasks; trajectories keep their own prompt."
        )
    return _export_trajectories(settings, output, everything)


def _export_log(settings: ExportSettings, output: str, rows: Rows) -> dict[str, Any]:
    try:
        from masksearch.interop.inspect.logs import write_log
    except ModuleNotFoundError as error:
        raise MissingExtraError("inspect_ai", "inspect", "A log of Inspect") from error

    read = ((*as_trajectory(place, value), value) for place, value in rows)
    count = write_log(read, output, settings.name or stem(output))
    text = f"{output}: {count} samples; look at them with: inspect view --log-dir {Path(output).parent}"
    return {"read": count, "written": count, "left_out": {}, "text": text}


def _export_tasks(settings: ExportSettings, output: str, rows: Rows) -> dict[str, Any]:
    if settings.tool_role or settings.all:
        raise UsageError(
            "--tool-role and --all are for trajectories and have no effect on tasks; leave them out."
        )
    with Progress("export", None, "tasks") as progress:
        made = _counted(verl.task_rows(rows, settings.answer_form or "spans", settings.name), progress)
        count = write(output, verl.RL_COLUMNS, made)
    return {
        "read": count,
        "written": count,
        "left_out": {},
        "text": f"{output}: {count} tasks for verl's RLHFDataset",
    }


def _counted(rows: Iterator[dict[str, Any]], progress: Progress) -> Iterator[dict[str, Any]]:
    """Yields the rows, and advances the progress display by one step per row."""
    for row in rows:
        yield row
        progress.step()


def _export_trajectories(settings: ExportSettings, output: str, rows: Rows) -> dict[str, Any]:
    shape, file = shape_of(settings), Path(output)
    convert, columns = _converter(shape, settings)
    if settings.to == "llamafactory" and output != "-":
        llamafactory.read_info(file.parent / llamafactory.INFO)  # a damaged file raises an error early
    left_out: Counter[str] = Counter()
    with Progress("export", None, "trajectories") as progress:
        count = write(output, columns, _convert_all(rows, convert, shape, settings.all, left_out, progress))
    text = (
        f"{output}: {count} rows ({settings.to}, {shape}) of {progress.done} trajectories{_reasons(left_out)}"
    )
    if settings.to == "llamafactory" and output != "-":
        name = settings.name or stem(output)
        text += f"; data set '{name}' in {llamafactory.write_info(file, name, shape)}"
    return {"read": progress.done, "written": count, "left_out": dict(left_out), "text": text}


def _converter(shape: Shape, settings: ExportSettings) -> tuple[Converter, Columns]:
    """Returns the function that converts trajectories for the settings' target and shape, and the columns
    of its rows."""
    if settings.to == "llamafactory":
        return llamafactory.converter(shape), llamafactory.COLUMNS[shape]
    return trl.converter(shape, settings), verl.SFT_COLUMNS if settings.to == "verl" else trl.COLUMNS[shape]


def _convert_all(
    rows: Rows, convert: Converter, shape: Shape, keep: bool, left_out: Counter[str], progress: Progress
) -> Iterator[dict[str, Any]]:
    """Yields the exported rows of all usable trajectories. Raises DataError if there was no row."""
    written = 0
    for place, value in rows:
        trajectory, task = as_trajectory(place, value)
        try:
            made = [] if _dropped(trajectory, shape, keep, left_out) else convert(trajectory, task)
        except LeftOut as reason:
            left_out[str(reason)] += 1
            made = []
        written += len(made)
        yield from made
        progress.step(note=f"{left_out.total()} left out")
    if not written:
        hint = "" if keep else " --all also exports trajectories in invalid form."
        raise DataError(f"None of {progress.done} trajectories can be exported{_reasons(left_out)}.{hint}")


def _dropped(trajectory: Trajectory, shape: Shape, keep: bool, left_out: Counter[str]) -> bool:
    """Whether a trajectory is left out of the export; if so, counts the reason in `left_out`."""
    if keep:
        return False
    reason = fault(trajectory)
    # Token rows are encoded with special tokens turned off. In a chat, a special token would take effect.
    if not reason and shape != "tokens" and has_special_token(trajectory):
        reason = "a special token in a model turn"
    if reason:
        left_out[reason] += 1
    return bool(reason)


def _reasons(left_out: Counter[str]) -> str:
    """Returns the reasons in `left_out` with their counts, as text that can end a sentence; empty if
    nothing was left out."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
    return f"; left out {left_out.total()}: {reasons}" if reasons else ""
