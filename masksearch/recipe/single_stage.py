"""Runs one stage by itself, outside a run or in the folder of a run's stage.

Commands and the Python interface use it.

Outside a run, a stage writes its product to the output, and the files that it resumes from to the folder
`OUTPUT.work`. This folder is kept if it holds trajectories or logs. A stage with the same output but other
settings clears the folder first.

If the output is the product of a stage inside a run (`RUN/stages/NAME/PRODUCT`), the stage works in that
stage's folder and writes the same marks as the run. `masksearch run` then counts the stage as done.
"""

from __future__ import annotations

import contextlib
import glob
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.recipe.preflight.check import check_command
from masksearch.recipe.run import done_record
from masksearch.recipe.stage_folders import folder_in_run, run_of
from masksearch.recipe.stages import StageKind, run_stage
from masksearch.runtime import files, ranks
from masksearch.runtime.extras import naming_extras
from masksearch.runtime.lock import locked
from masksearch.runtime.progress import human_time, say
from masksearch.runtime.resume import WorkFolder, settings_key
from masksearch.runtime.settings import Settings


@dataclass(frozen=True)
class Place:
    """The work folder of a stage command, and the lock file that keeps other commands out of it."""

    work: WorkFolder
    lock: Path
    locked: str
    """The folder that the lock protects, for error messages."""
    run: Path | None
    """The run that the stage belongs to; None outside a run."""


def _place(spec: StageKind, settings: Settings, output: Path, run_dir: Path | None) -> Place:
    run = run_of(spec, output)
    if run is not None:
        return Place(folder_in_run(spec, settings, output), run / ".lock", str(run), run)
    work = output.with_name(output.name + ".work")
    folder = WorkFolder(work, output, settings_key(spec.kind, settings, {}, str(run_dir)))
    return Place(folder, output.with_name(f".{output.name}.lock"), str(work), None)


def run_into(
    spec: StageKind,
    settings: Settings,
    output: Path,
    run_dir: Path | None = None,
    place: Place | None = None,
) -> dict[str, Any]:
    """Runs the stage with its product at `output`, locked against any other command with the same output.

    `place` is found from the output if it is not given.
    """
    if ranks.count() > 1 and spec.kind not in ranks.TRAINS:
        raise UsageError(
            f"`masksearch {spec.kind}` is one process; start it without a launcher. "
            f"A launcher may start several processes of: {', '.join(ranks.TRAINS)}."
        )
    place = place or _place(spec, settings, output, run_dir)
    # Every rank reads the marks itself. All ranks find the same marks, because rank 0 never changes the marks
    # of a finished stage.
    if place.run is not None and (done := place.work.complete()):
        if ranks.is_first():
            spent = human_time(done["seconds"])
            say(f"This stage is done already ({spent}); remove {place.work.folder} to make it again.")
        return dict(done["summary"])
    if not ranks.is_first():
        return _on_other_rank(spec, settings, output, place.work.folder)
    check_command(spec, settings, output.absolute().parent)
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    with locked(place.lock, place.locked, "choose another -o"):
        return _locked_into(spec, settings, output, run_dir, place)


def _on_other_rank(spec: StageKind, settings: Settings, output: Path, work: Path) -> dict[str, Any]:
    """Runs the stage on a rank other than 0, in folders that rank 0 makes, clears and marks."""
    from masksearch.train.distributed import join, wait

    join()
    wait()
    summary = run_stage(spec, settings, output, work)
    wait()
    return summary


def _locked_into(
    spec: StageKind, settings: Settings, output: Path, run_dir: Path | None, place: Place
) -> dict[str, Any]:
    folder, started = place.work, time.monotonic()
    folder.check_free("move it away, or choose another -o")
    retried = folder.incomplete()
    if place.run is None:
        _clear_finished(settings, folder)
    spent = folder.start()
    for leftover in output.absolute().parent.glob(f".{glob.escape(output.name)}.*.tmp"):
        files.remove(leftover)  # the half-written product of an attempt that was killed
    try:
        with _other_ranks_released():
            summary = run_stage(spec, settings, output, folder.folder, run_dir)
        if summary.get("unfinished"):
            say("Start the same command again to do the rest.")
        if place.run is not None or not summary.get("unfinished"):
            record = done_record(spec.kind, time.monotonic() - started + spent, summary, retried)
            folder.finish(record)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.pause(time.monotonic() - started + spent)
        raise
    finally:
        if {entry.name for entry in folder.folder.iterdir()} <= {"stage.json", "done.json"}:
            files.remove(folder.folder)
    return summary


def _clear_finished(settings: Settings, folder: WorkFolder) -> None:
    """Clears the work of a finished command, so that the stage starts from the beginning. Keeps the work
    of the teacher `agents`, whose model answers cost money."""
    paid = getattr(settings, "teacher", "") == "agents"
    if folder.done_file.exists() and paid and folder.holds_this_work():
        say(
            f"The outcome of each task is read from {folder.folder}, so no answered request is sent again; "
            "remove that folder to start from the beginning."
        )
    # Standard input cannot be read twice, so a stage that reads its corpus from there is never resumed.
    elif folder.done_file.exists() or getattr(settings, "corpus", "") == "-":
        folder.clear()


@contextlib.contextmanager
def _other_ranks_released() -> Iterator[None]:
    """Puts a barrier before and after the work of rank 0. The other ranks start when rank 0 has made its
    folders ready, and all ranks end together."""
    if ranks.count() == 1:
        yield
        return
    with naming_extras("Training with several processes"):
        from masksearch.train.distributed import join, wait

    join()
    wait()
    yield
    wait()


def checked_output(spec: StageKind, output: Path) -> Path:
    """Returns the output path. Raises UsageError if the product would overwrite something else."""
    marker = spec.marker or ("" if output.suffix else spec.folder_marker)
    if output.exists() and not output.is_dir() and not output.is_file():
        raise UsageError(
            f"-o {output} is neither a file nor a folder; choose another name, or - for standard output."
        )
    if output.is_dir() and not marker:
        raise UsageError(
            f"-o {output} is a folder, but this command writes a file; "
            f"name a file in it, such as {output / spec.product}."
        )
    if output.is_file() and marker:
        raise UsageError(f"-o {output} is a file, but this command writes a folder; choose another name.")
    if output.is_dir() and any(output.iterdir()) and not (output / marker).exists():
        raise UsageError(
            f"-o {output} is a folder that holds other things than a {spec.product}; choose another name."
        )
    return output
