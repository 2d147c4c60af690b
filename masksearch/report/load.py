"""Reads the files of a run. Missing files are not an error, because the run may be unfinished or killed.

The lines below name each file, then the kinds of stages that write it:

    RUN/run.json                       {"name" or "recipe",
                                        "stages": [{"name", "kind", "status", "seconds", "summary"}]}
    RUN/stages/NAME/done.json          {"kind", "seconds", "summary"} of a finished stage
    RUN/stages/NAME/log.jsonl          sft, rl: one row per logged step
    RUN/stages/NAME/trajectories.jsonl synthesize, eval
    RUN/stages/NAME/rollouts.jsonl     rl: trajectories with "step" and the components of the reward
    RUN/stages/NAME/results.json       eval
    RUN/stages/NAME/comparison.json    compare

For a file that cannot be read, the page shows a note. The page can compare the run with other runs
(`load_other_runs`); it shows only their evaluations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.evaluation.compare.stage import COMPARISON_FORMAT
from masksearch.evaluation.results import load_results
from masksearch.runtime import files
from masksearch.text.nearest import no_path
from masksearch.types import Results

Row = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """One stage of a run, finished or not. `trajectories` has raw JSON objects, which are not validated."""

    name: str
    kind: str
    status: str
    seconds: float | None
    """Duration of the stage in seconds; None if it is unknown."""
    summary: Any
    log: list[Row]
    trajectories: list[Row]
    results: Results | None
    comparison: Row | None
    run: str = ""
    """Name of the stage's run if that is another run than the page's own; otherwise empty."""
    folder: Path | None = None
    """The stage's folder in the run."""
    listed: bool = True
    """Whether run.json lists the stage. A folder that it does not list is the work of an earlier recipe."""

    @property
    def done(self) -> bool:
        """Whether the stage is a finished part of the run as its recipe is now."""
        return self.status == "done" and self.listed

    @property
    def title(self) -> str:
        """The stage's unique name on the page."""
        return f"{self.run}: {self.name}" if self.run else self.name


@dataclass(frozen=True)
class Run:
    """A run: its recipe's name, its stages in order, and notes on files that could not be read."""

    name: str
    stages: list[Stage]
    notes: list[str] = field(default_factory=list)


def load_run(run_dir: Path, trajectories: bool = True) -> Run:
    """Loads the stages that run.json lists, in its order, then the other stage folders, sorted by name.

    Leaves out stages of the kind `report`, because this page may be their output. Without `trajectories`
    their files, the largest of a run, are not read. Raises DataError if there are no stages.
    """
    if not run_dir.is_dir():
        raise DataError(
            f"There is no folder {run_dir}{no_path(run_dir)} Give the folder that 'masksearch run' wrote to."
        )
    notes: list[str] = []
    record = _read_object(run_dir / "run.json", notes) or {}
    listed = [entry for entry in record.get("stages") or [] if isinstance(entry, dict) and entry.get("name")]
    names = {str(entry["name"]) for entry in listed}
    folder = run_dir / "stages"
    found = (
        sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        if folder.is_dir()
        else []
    )
    entries = listed + [{"name": name} for name in found if name not in names]
    if not entries:
        raise DataError(f"{run_dir} holds no stages; give the folder that 'masksearch run' wrote to.")
    name = record.get("name") or record.get("recipe")
    stages = [
        _load_stage(entry, folder, notes, trajectories) for entry in entries if entry.get("kind") != "report"
    ]
    if listed:
        stages = [replace(stage, listed=stage.name in names) for stage in stages]
    return Run(Path(name).stem if isinstance(name, str) else "", stages, notes)


def load_other_runs(run_dirs: Sequence[str | Path]) -> Run:
    """Loads the evaluations of other runs. Each run is named after its folder.

    Raises DataError if a folder is not the folder of a run.
    """
    stages: list[Stage] = []
    notes: list[str] = []
    taken: set[str] = set()
    for run_dir in map(Path, run_dirs):
        run = load_run(run_dir)
        name = _free_name(run_dir.resolve().name, taken)
        found = [replace(stage, run=name) for stage in run.stages if stage.results]
        stages += found
        notes += [f"{name}: {note}" for note in run.notes]
        if not found:
            notes.append(f"The run '{name}' holds no finished evaluation, so the page does not show it.")
    return Run("", stages, notes)


def _free_name(name: str, taken: set[str]) -> str:
    """Returns a name for a run that is not in `taken`, and adds it there. A name that is taken already gets
    a number."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name} ({count})"
    taken.add(free)
    return free


def _load_stage(entry: Row, folder: Path, notes: list[str], trajectories: bool) -> Stage:
    name = str(entry["name"])
    path = folder / name
    done = _read_object(path / "done.json", notes)
    known = {**(done or {}), **{key: value for key, value in entry.items() if value is not None}}
    seconds = known.get("seconds")
    return Stage(
        name=name,
        kind=str(known.get("kind") or _guess_kind(path)),
        status=str(known.get("status") or ("done" if done else "not finished")),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        summary=known.get("summary"),
        log=files.read_appended(path / "log.jsonl"),
        trajectories=read_trajectories(path) if trajectories else [],
        results=_read_results(path / "results.json", notes),
        comparison=_read_comparison(path / "comparison.json", notes),
        folder=path,
    )


def read_trajectories(folder: Path) -> list[Row]:
    """Returns the rollouts or the trajectories in a stage's folder; no rows if it has neither."""
    return files.read_appended(folder / "rollouts.jsonl") or files.read_appended(
        folder / "trajectories.jsonl"
    )


def _guess_kind(path: Path) -> str:
    marks = {
        "comparison.json": "compare",
        "results.json": "eval",
        "rollouts.jsonl": "rl",
        "log.jsonl": "sft",
        "trajectories.jsonl": "synthesize",
    }
    return next((kind for name, kind in marks.items() if (path / name).exists()), "")


def _read_object(path: Path, notes: list[str]) -> Row | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        value = None
    if isinstance(value, dict):
        return value
    notes.append(f"{_place(path)} could not be read and was left out.")
    return None


def _read_results(path: Path, notes: list[str]) -> Results | None:
    if not path.is_file():
        return None
    try:
        results = load_results(path)
        if results.scored:
            return results
        notes.append(f"{_place(path)} has no scores, because its questions have no answers; it was left out.")
        return None
    except DataError as error:
        reason = str(error).replace(str(path), _place(path))
        notes.append(f"{reason} It was left out.")
        return None


def _read_comparison(path: Path, notes: list[str]) -> Row | None:
    value = _read_object(path, notes)
    if value is None or str(value.get("format")) == COMPARISON_FORMAT:
        return value
    notes.append(f"{_place(path)} is not a comparison and was left out.")
    return None


def _place(path: Path) -> str:
    """Returns a file's folder and name, by which notes on the page refer to the file; leaves out the path
    of the run."""
    return f"{path.parent.name}/{path.name}"
