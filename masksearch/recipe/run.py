"""Runs a recipe: every stage in order. Finished stages are skipped, interrupted ones are resumed.

    OUT/recipe.toml, recipe.json     the recipe as written, and with every default filled in
    OUT/run.json                     {"name", "recipe", "stages": [{"name", "kind", "status", ...}]}
    OUT/stages/NAME/                 the product, done.json, and the files that the stage resumes from

A run that is killed at any point and started again ends with the same files; `runtime/resume.py` decides
which stages are done.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import MaskSearchError, UsageError
from masksearch.recipe.inputs import check_inputs
from masksearch.recipe.load import Recipe, Stage
from masksearch.recipe.plan.timing import Timing
from masksearch.recipe.stage_folders import adopt, bound_settings, stage_folders
from masksearch.recipe.stages import run_stage
from masksearch.runtime import files, progress, ranks
from masksearch.runtime.disk import disk_is_full
from masksearch.runtime.lock import locked
from masksearch.runtime.progress import human_time, say
from masksearch.runtime.resume import WorkFolder

REMEDY = "choose another --out"


def run_recipe(recipe: Recipe, out: str | Path) -> None:
    """Runs every stage of `recipe` that is not done yet in the folder `out`; prints tables and the report's
    path.

    If a stage fails, raises MaskSearchError with the stage's name, or the error that ended the stage.
    KeyboardInterrupt passes through. In all cases run.json records how far the run came.
    """
    out = Path(out)
    if ranks.count() > 1:
        advice = (
            "start the stages that train one by one: "
            "accelerate launch ... -m masksearch sft --recipe RECIPE --stage NAME -o PATH"
        )
        raise UsageError(
            f"`masksearch run` is one process, but a launcher has started {ranks.count()}: {advice}."
        )
    check_inputs(recipe)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but the run needs a folder; {REMEDY}.")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / ".lock", str(out), REMEDY):
        _Run(recipe, out).go()


class _Run:
    """A run in progress: its recipe, the folders of its stages, and the rows (one per stage) of run.json."""

    def __init__(self, recipe: Recipe, out: Path) -> None:
        self.recipe, self.out = recipe, out
        self.rows: dict[str, dict[str, Any]] = {}
        self.folders: dict[str, WorkFolder] = stage_folders(recipe, out)
        self.products = {name: str(folder.product) for name, folder in self.folders.items()}
        for stage in recipe.stages:
            adopt(self.folders[stage.name], stage.spec, bound_settings(stage, self.products))
        self._find_done(recipe.stages)
        self.timing = Timing(self._waiting(recipe.stages))

    def _find_done(self, stages: Sequence[Stage]) -> None:
        """Sets the row of each stage for run.json from the marks in the stage's folder.

        A stage with a complete product gets the status `done`; any other stage gets `waiting`, even
        if it has an incomplete product.
        """
        self.folders = stage_folders(self.recipe, self.out)
        for stage in stages:
            done = self.folders[stage.name].complete()
            row: dict[str, Any] = {"status": "waiting", "seconds": None, "summary": {}}
            if done:
                row = {"status": "done", "seconds": done["seconds"], "summary": done["summary"]}
            self.rows[stage.name] = {"name": stage.name, "kind": stage.spec.kind, **row}

    def _waiting(self, stages: Sequence[Stage]) -> list[Stage]:
        return [stage for stage in stages if self.rows[stage.name]["status"] != "done"]

    def go(self) -> None:
        """Writes the recipe into the run's folder, runs the stages that are not done, and prints results."""
        files.write_text(self.out / "recipe.toml", self.recipe.text)
        files.write_json(self.out / "recipe.json", self.recipe.resolved)
        self._record()
        for number, stage in enumerate(self.recipe.stages, 1):
            place = f"[{number}/{len(self.recipe.stages)}] {stage.name}"
            if self.rows[stage.name]["status"] == "done":
                say(f"{place}  — done already ({human_time(self.rows[stage.name]['seconds'])})")
                continue
            say(f"{place}  — {stage.description or stage.spec.about}{self.timing.outlook(stage)}")
            self._do(stage)
            folder = self.folders[stage.name]
            if folder.key_for_dependents() != folder.key:
                later = self.recipe.stages[number:]
                self._find_done(later)
                self.timing.waiting = self._waiting(later)
            gc.collect()
        progress.plan(0, 0)
        self._conclude()

    def _record(self) -> None:
        stages = list(self.rows.values())
        record = {"name": self.recipe.name, "recipe": self.recipe.resolved, "stages": stages}
        files.write_json(self.out / "run.json", record)

    def _do(self, stage: Stage) -> None:
        """Runs one stage and records its outcome, also when the stage fails."""
        row, folder = self.rows[stage.name], self.folders[stage.name]
        folder.check_free(f"move it away, or {REMEDY}")
        row["status"] = "running"
        self._record()
        started, spent = time.monotonic(), 0.0
        retried = folder.incomplete()
        try:
            with _naming_stage(stage, folder.folder):
                spent = folder.start()
                settings = bound_settings(stage, self.products)
                summary = run_stage(stage.spec, settings, folder.product, folder.folder, self.out)
                if not folder.product.exists():
                    raise MaskSearchError(f"it ended without writing {folder.product}.")
                seconds = round(time.monotonic() - started, 2)
                folder.finish(done_record(stage.spec.kind, seconds + spent, summary, retried))
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            row.update(status=status, seconds=round(time.monotonic() - started + spent, 2))
            # Writing run.json may fail on a full disk. That must not replace the error that is raised.
            with contextlib.suppress(OSError):
                folder.pause(row["seconds"])
                self._record()
            raise
        row.update(status="done", seconds=round(seconds + spent, 2), summary=summary)
        self._record()
        self.timing.done(stage, seconds, resumed=spent > 0)
        say(f"      done in {human_time(seconds)}{outcome(summary)}")

    @property
    def unfinished(self) -> list[str]:
        """The names of the stages with an incomplete product."""
        return [name for name, row in self.rows.items() if row["summary"].get("unfinished")]

    def _conclude(self) -> None:
        """Prints what the run shows and does not show, and names the unfinished stages."""
        from masksearch.recipe.conclusion import conclusion

        if self.unfinished:
            say(f"Unfinished: {', '.join(self.unfinished)}; start the same command again to do the rest.")
        print(conclusion(self.recipe, self.out, self.rows, self.products))
        sys.stdout.flush()


def done_record(kind: str, seconds: float, summary: dict[str, Any], retried: bool = False) -> dict[str, Any]:
    """Returns the values of done.json except the cache key.

    They are kind, seconds, summary and peak memory (MB), `unfinished` for an incomplete product, and
    `retried` if an earlier attempt left the product incomplete.
    """
    record: dict[str, Any] = {
        "kind": kind,
        "seconds": round(seconds, 2),
        "summary": summary,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if summary.get("unfinished"):
        record["unfinished"] = True
    if retried:
        record["retried"] = True
    return record


@contextlib.contextmanager
def _naming_stage(stage: Stage, folder: Path) -> Iterator[None]:
    """Adds the stage's name to every error that is raised in the block.

    An error that comes from a full disk becomes a MaskSearchError with advice about the disk.
    """
    try:
        yield
    except Exception as error:
        if disk_is_full(error, folder):
            raise MaskSearchError(
                f"Stage '{stage.name}': the disk is full ({folder}); "
                "free some space and start the same command again to go on."
            ) from error
        if isinstance(error, MaskSearchError):
            named = MaskSearchError(f"Stage '{stage.name}': {error}")
            named.exit_status = error.exit_status
            raise named from error
        error.add_note(f"in stage '{stage.name}'")
        raise


def outcome(summary: dict[str, Any]) -> str:
    """Returns `: ` and the outcome of a stage: its own text, or the first four numbers of its summary."""
    figures = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in summary.items()
        if isinstance(value, int | float) and name not in ("seconds", "bytes")
    ]
    text = summary.get("text") or ", ".join(figures[:4])
    return f": {text}" if text else ""
