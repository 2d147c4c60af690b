"""Reads what a run has left behind so far. Missing parts are no error: a run may be half done, or killed.

    RUN/run.json                       {"name" or "recipe", "stages": [{"name", "kind", "status", "seconds", "summary"}]}
    RUN/stages/NAME/done.json          {"kind", "seconds", "summary"} of a finished stage
    RUN/stages/NAME/log.jsonl          sft, rl: one row a logged step
    RUN/stages/NAME/trajectories.jsonl synthesize, eval;  rollouts.jsonl: rl (trajectories with "step" and the reward's ledger)
    RUN/stages/NAME/results.json       eval;  comparison.json: compare

What is there but cannot be read becomes a note on the page. Of another run whose evaluations are shown beside (`load_beside`)
only these are read.
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
from masksearch.types import Results

Row = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """One stage as far as it got. `trajectories` are raw rows, not yet checked."""

    name: str
    kind: str
    status: str
    seconds: float | None
    summary: Any
    log: list[Row]
    trajectories: list[Row]
    results: Results | None
    comparison: Row | None
    run: str = ""
    """The other run it is from; empty for the run that the page is about."""

    @property
    def title(self) -> str:
        """Its name on the page, unique there."""
        return f"{self.run}: {self.name}" if self.run else self.name


@dataclass(frozen=True)
class Run:
    """A run: its recipe's name, its stages in order, and what could not be read."""

    name: str
    stages: list[Stage]
    notes: list[str] = field(default_factory=list)


def load_run(run_dir: Path) -> Run:
    """The stages of run.json in its order, then folders it does not list, by name; without the report, which is being made.

    Raises DataError where there are none.
    """
    if not run_dir.is_dir():
        raise DataError(f"There is no folder {run_dir}; give the folder that 'masksearch run' wrote to.")
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
    stages = [_load_stage(entry, folder, notes) for entry in entries if entry.get("kind") != "report"]
    return Run(Path(name).stem if isinstance(name, str) else "", stages, notes)


def load_beside(run_dirs: Sequence[str | Path]) -> Run:
    """The evaluations of other runs, under the names of their folders. Raises DataError where one of these is no run's folder."""
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
            notes.append(f"The run '{name}' holds no finished evaluation, so nothing of it is shown.")
    return Run("", stages, notes)


def _free_name(name: str, taken: set[str]) -> str:
    """`name`, or with a number where it is taken; takes it."""
    free = next(
        option
        for option in (name, *(f"{name} ({count})" for count in range(2, len(taken) + 3)))
        if option not in taken
    )
    taken.add(free)
    return free


def _load_stage(entry: Row, folder: Path, notes: list[str]) -> Stage:
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
        trajectories=files.read_appended(path / "rollouts.jsonl")
        or files.read_appended(path / "trajectories.jsonl"),
        results=_read_results(path / "results.json", notes),
        comparison=_read_comparison(path / "comparison.json", notes),
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
        return load_results(path)
    except DataError:
        notes.append(f"{_place(path)} is no valid results file and was left out.")
        return None


def _read_comparison(path: Path, notes: list[str]) -> Row | None:
    value = _read_object(path, notes)
    if value is None or str(value.get("format")) == COMPARISON_FORMAT:
        return value
    notes.append(f"{_place(path)} is no comparison and was left out.")
    return None


def _place(path: Path) -> str:
    """A file as named on the page: inside the run, without the run's own path."""
    return f"{path.parent.name}/{path.name}"
