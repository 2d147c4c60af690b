"""Runs a recipe: every stage in order. Finished stages are skipped, interrupted ones are resumed.

    OUT/recipe.toml, recipe.json     the recipe as written, and with every default filled in
    OUT/run.json                     {"name", "recipe", "stages": [{"name", "kind", "status", ...}]}
    OUT/stages/NAME/                 the product, done.json, and the files that the stage resumes from
    OUT/replaced/NAME/NUMBER/        work of the stage that the run has replaced (recipe/plan/kept.py)

A run that is killed at any point and started again ends with the same files; `runtime/resume.py` decides
which stages are done.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import MaskSearchError, UsageError
from masksearch.recipe.inputs import check_inputs
from masksearch.recipe.load import Recipe, Stage
from masksearch.recipe.plan.differences import CHANGED, HAS_RUN
from masksearch.recipe.plan.kept import delete_kept, human_size, kept_text, put_back, set_aside, size
from masksearch.recipe.plan.selection import Selection, check_needs, select
from masksearch.recipe.plan.state import earlier_stages, examine, is_free, is_usable, spent_before
from masksearch.recipe.plan.timing import Timing
from masksearch.recipe.preflight.check import preflight, report
from masksearch.recipe.stage_folders import adopt, bound_settings, product_paths, stage_folders
from masksearch.recipe.stages import run_stage
from masksearch.runtime import colour, files, progress, ranks
from masksearch.runtime.lock import locked
from masksearch.runtime.needs.disk import disk_is_full
from masksearch.runtime.needs.memory import peak_memory_mb
from masksearch.runtime.progress import human_time, say
from masksearch.runtime.resume import WorkFolder

REMEDY = "choose another --out"


def run_recipe(
    recipe: Recipe,
    out: str | Path,
    until: Sequence[str] = (),
    only: Sequence[str] = (),
    prune: bool = False,
) -> None:
    """Runs every stage of `recipe` that is not done yet in the folder `out`; prints the conclusion.

    `until` and `only` name stages and choose a part of the recipe (recipe/plan/selection.py). Work that is
    replaced is kept in OUT/replaced, or deleted with `prune`.

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
    selection = select(recipe, until, only)
    check_inputs(recipe)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but the run needs a folder; {REMEDY}.")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / ".lock", str(out), REMEDY):
        _Run(recipe, out, selection, prune).go()


class _Run:
    """A run in progress: its recipe, the folders of its stages, and the rows (one per stage) of run.json."""

    def __init__(self, recipe: Recipe, out: Path, selection: Selection, prune: bool) -> None:
        self.recipe, self.out, self.selection, self.prune = recipe, out, selection, prune
        self.rows: dict[str, dict[str, Any]] = {}
        self.products = product_paths(recipe, out)
        self.earlier = earlier_stages(out)
        self.ran: set[str] = set()
        """Names of the stages that this process has run."""
        self.folders: dict[str, WorkFolder] = stage_folders(recipe, out)
        check_needs(selection, lambda name: is_usable(self.folders[name]))
        for stage in recipe.stages:
            adopt(self.folders[stage.name], stage, self.products)
            self.folders[stage.name].complete_mark()
        self._find_done(recipe.stages)

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
        self.timing = Timing(
            self._waiting(),
            [
                (stage, self.rows[stage.name]["seconds"])
                for stage in self.recipe.stages
                if self.rows.get(stage.name, {}).get("status") == "done"
            ],
            {name: spent_before(folder) for name, folder in self.folders.items()},
        )

    def _waiting(self) -> list[Stage]:
        """Returns the chosen stages that this run still has to do."""
        return [
            stage
            for stage in self.selection.stages
            if self.rows[stage.name]["status"] != "done" and stage.name not in self.ran
        ]

    def go(self) -> None:
        """Writes the recipe into the run's folder, runs the stages that are not done, and prints results."""
        self._put_back(self.recipe.stages)
        report(preflight(self.recipe, self._waiting(), self.folders))
        files.write_text(self.out / "recipe.toml", self.recipe.text)
        files.write_json(self.out / "recipe.json", self.recipe.resolved)
        self._record()
        for number, stage in enumerate(self.recipe.stages, 1):
            if stage not in self.selection:
                continue
            place = colour.bold(f"[{number}/{len(self.recipe.stages)}] {stage.name}", sys.stderr)
            if self.rows[stage.name]["status"] == "done":
                spent = human_time(self.rows[stage.name]["seconds"])
                say(f"{place}  {colour.dim(f'— done already ({spent})', sys.stderr)}")
                continue
            about = f"— {stage.description or stage.spec.about}"
            say(f"{place}  {about}{colour.dim(self.timing.outlook(stage), sys.stderr)}")
            self._do(stage)
            folder = self.folders[stage.name]
            if folder.key_for_dependents() != folder.key:
                later = self.recipe.stages[number:]
                self._find_done(later)
                self._put_back(later)
            gc.collect()
        progress.plan(0, 0)
        self._end_kept()
        self._say_waiting()
        self._conclude()

    def _put_back(self, stages: Sequence[Stage]) -> None:
        """Puts kept work back that has the present key of its stage, for the chosen stages and those that
        they read."""
        wanted = {stage.name for stage in self.selection.stages} | set(self.selection.needs())
        moved = False
        for stage in stages:
            folder = self.folders[stage.name]
            if stage.name not in wanted or not is_free(folder):
                continue
            found = put_back(folder, self.prune)
            if found:
                moved = True
                say(f"{stage.name}: earlier work with these settings is put back from {found[0]}")
                self._say_kept(found[1])
        if moved:
            self._find_done(stages)

    def _say_kept(self, place: Path | None) -> None:
        if place is not None:
            say(f"      the work that this replaces is kept in {place} ({human_size(size(place))})")

    def _say_waiting(self) -> None:
        """Names the stages that were not chosen and are not done."""
        chosen = {stage.name for stage in self.selection.stages}
        names = [n for n, row in self.rows.items() if n not in chosen and row["status"] != "done"]
        if names:
            shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
            say(f"Not chosen and not done: {shown}; start without --until and --only to run all stages.")

    def _end_kept(self) -> None:
        """With `prune`, deletes the kept work of the chosen stages; otherwise says how much is kept."""
        if self.prune:
            for stage in self.selection.stages:
                delete_kept(self.folders[stage.name])
        text = kept_text(self.folders.values())
        if text:
            say(text)

    def _record(self) -> None:
        stages = list(self.rows.values())
        record = {"name": self.recipe.name, "recipe": self.recipe.resolved, "stages": stages}
        files.write_json(self.out / "run.json", record)

    def _do(self, stage: Stage) -> None:
        """Runs one stage and records its outcome, also when the stage fails."""
        row, folder = self.rows[stage.name], self.folders[stage.name]
        folder.check_free(f"move it away, or {REMEDY}")
        self._set_aside(stage, folder)
        self.ran.add(stage.name)
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

    def _set_aside(self, stage: Stage, folder: WorkFolder) -> None:
        """Says why the stage does not start from nothing or does not use earlier work, and moves work with
        another key away."""
        words = {other.name: HAS_RUN if other.name in self.ran else CHANGED for other in self.recipe.stages}
        state = examine(folder, words, self.earlier.get(stage.name))
        if state.action == "resume":
            say(colour.dim(f"      resumed: {state.because}", sys.stderr))
        elif state.action == "replace":
            say(colour.yellow(f"      again: {state.because}", sys.stderr))
            self._say_kept(set_aside(folder, self.prune))

    @property
    def unfinished(self) -> list[str]:
        """The names of the stages with an incomplete product."""
        return [name for name, row in self.rows.items() if (row["summary"] or {}).get("unfinished")]

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
        "peak_memory_mb": peak_memory_mb(),
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
