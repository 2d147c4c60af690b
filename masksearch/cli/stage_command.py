"""Commands that run one stage by itself.

Outside a run, a stage writes its product to `-o`, and the files that it resumes from to the folder
`OUTPUT.work`. This folder is kept if it holds trajectories or logs. A command with the same output but other
settings clears the folder first.

If `-o` is the product of a stage inside a run (`RUN/stages/NAME/PRODUCT`), or `--out` names the run of a
recipe's stage, the command works in that stage's folder and writes the same marks as the run. `masksearch
run` then counts the stage as done.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.cli.flags import given_values, set_values, settings_of
from masksearch.cli.recipe_stage import recipe_stage
from masksearch.errors import UsageError
from masksearch.evaluation.compare.run_folder import comparisons
from masksearch.evaluation.settings import CompareSettings
from masksearch.recipe.overrides import merge
from masksearch.recipe.preflight.check import check_command
from masksearch.recipe.run import done_record, outcome
from masksearch.recipe.stage_folders import STAGES as STAGE_FOLDERS
from masksearch.recipe.stage_folders import folder_in_run, run_of
from masksearch.recipe.stages import STAGES, StageKind, run_stage
from masksearch.runtime import files, ranks
from masksearch.runtime.extras import naming_extras
from masksearch.runtime.lock import locked
from masksearch.runtime.progress import human_time, say
from masksearch.runtime.resume import WorkFolder, settings_key
from masksearch.runtime.settings import Settings


def stage_command(arguments: argparse.Namespace) -> None:
    """Runs a command such as `masksearch mask`, `sft` or `eval`."""
    spec = STAGES[arguments.kind]
    flags = given_values(arguments, spec.settings)
    known = recipe_stage(spec, arguments)
    output, run_dir = arguments.output, getattr(arguments, "run_dir", None)
    if known is None:
        overridden = tuple(override.partition("=")[0].strip() for override in arguments.set)
        settings = settings_of(
            spec.settings, merge(set_values(arguments.set), flags), arguments.positional, overridden
        )
    else:
        values = merge(known.values(), flags)
        known.check_needs(values)
        settings = settings_of(spec.settings, values, arguments.positional)
        if known.inside:
            output, run_dir = known.product, run_dir or str(known.run)
    place = None
    if known and known.inside and spec.takes_run:
        folder = known.folder_of_whole_run(settings)
        place = _Place(folder, known.run / ".lock", str(known.run), known.run)
    for name, chosen in _expanded(settings, output).items():
        summary = _do(spec, chosen, output, Path(run_dir) if run_dir else None, place)
        if not ranks.is_first():
            return
        if summary.get("table"):
            print(f"{name}\n\n{summary['table']}\n" if name else summary["table"])
        elif output:
            say(f"{output}{outcome(summary)}")


def _expanded(settings: Settings, output: str | None) -> dict[str, Settings]:
    """Returns the settings to run the stage with, by name; several only for a run with several comparisons.

    The names are empty if there is only one.
    """
    if not isinstance(settings, CompareSettings):
        return {"": settings}
    found = comparisons(settings)
    if len(found) > 1 and output is not None:
        names = ", ".join(found)
        raise UsageError(
            f"{settings.results[0]} has several comparisons ({names}), but -o names one file; "
            f"choose one: {Path(settings.results[0]) / STAGE_FOLDERS / next(iter(found))}."
        )
    return dict(found) if len(found) > 1 else dict.fromkeys([""], next(iter(found.values())))


def _do(
    spec: StageKind,
    settings: Settings,
    output: str | None,
    run_dir: Path | None,
    place: _Place | None = None,
) -> dict[str, Any]:
    """Runs the stage and returns its summary.

    Without an output, or with `-`, the stage works in a temporary folder; `-` prints the product.
    """
    if output is not None and (output != "-" or spec.marker):
        return _into(spec, settings, _checked(spec, Path(output)), run_dir, place)
    with tempfile.TemporaryDirectory() as folder:
        check_command(spec, settings, Path(folder))
        product = Path(folder) / spec.product
        summary = run_stage(spec, settings, product, Path(folder), run_dir)
        if output == "-":
            with open(product, encoding="utf-8") as stream:
                shutil.copyfileobj(stream, sys.stdout)
            summary.pop("table", None)
        return summary


@dataclass(frozen=True)
class _Place:
    """The work folder of a stage command, and the lock file that keeps other commands out of it."""

    work: WorkFolder
    lock: Path
    locked: str
    """The folder that the lock protects, for error messages."""
    run: Path | None
    """The run that the stage belongs to; None outside a run."""


def _place(spec: StageKind, settings: Settings, output: Path, run_dir: Path | None) -> _Place:
    run = run_of(spec, output)
    if run is not None:
        return _Place(folder_in_run(spec, settings, output), run / ".lock", str(run), run)
    work = output.with_name(output.name + ".work")
    folder = WorkFolder(work, output, settings_key(spec.kind, settings, {}, str(run_dir)))
    return _Place(folder, output.with_name(f".{output.name}.lock"), str(work), None)


def _into(
    spec: StageKind, settings: Settings, output: Path, run_dir: Path | None, place: _Place | None
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
    spec: StageKind, settings: Settings, output: Path, run_dir: Path | None, place: _Place
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


def _checked(spec: StageKind, output: Path) -> Path:
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
