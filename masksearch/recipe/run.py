"""Runs a recipe: every stage in order, skipping what is done, going on where it stopped.

    OUT/recipe.toml, recipe.json     the recipe as written, and with every default filled in
    OUT/run.json                     {"name", "recipe", "stages": [{"name", "kind", "status", "seconds", "summary"}]}
    OUT/stages/NAME/                 the product, done.json, and whatever the stage keeps to resume and to report

Killed at any point and started again, a run ends in the same files (see products.py for how a stage is known to be done).
"""

from __future__ import annotations

import contextlib
import errno
import gc
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import MaskSearchError, UsageError
from masksearch.recipe import references
from masksearch.recipe.load import Recipe, Stage, check_inputs
from masksearch.recipe.stage_keys import stage_folders
from masksearch.recipe.stages import run_stage
from masksearch.runtime import files, progress, ranks
from masksearch.runtime.lock import locked
from masksearch.runtime.progress import human_time, say

SCALE_LIMITS = (0.3, 5.0)
"""This machine is taken to be at most so much faster or slower than the one `expect_seconds` was measured on."""

FULL_DISK = re.compile(r"No space left on device|\d+ requested and \d+ written|file write failed")
"""How the system, numpy and torch put it where the error carries no number."""


def run_recipe(recipe: Recipe, out: str | Path) -> None:
    """Runs every stage of `recipe` that is not done yet in the folder `out`; tables and the report's path go to standard output.

    Raises MaskSearchError (naming the stage), or whatever else ends a stage; KeyboardInterrupt passes through. In all these
    cases run.json tells how far the run came.
    """
    out = Path(out)
    if ranks.count() > 1:
        advice = "start the stages that train one by one: accelerate launch ... -m masksearch sft --recipe RECIPE --stage NAME -o PATH"
        raise UsageError(
            f"`masksearch run` is one process, but a launcher has started {ranks.count()}: {advice}."
        )
    check_inputs(recipe)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but the run needs a folder; choose another --out.")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / ".lock", str(out), "choose another --out"):
        _Run(recipe, out).go()


class _Run:
    """One run under way."""

    def __init__(self, recipe: Recipe, out: Path) -> None:
        self.recipe, self.out = recipe, out
        self.rows: dict[str, dict[str, Any]] = {}
        self._look(recipe.stages)
        self.products = {name: str(folder.product) for name, folder in self.folders.items()}
        self.timing = _Timing([stage for stage in recipe.stages if self.rows[stage.name]["status"] != "done"])

    def _look(self, stages: Sequence[Stage]) -> None:
        """What is done of these stages, none of which this run has come to yet: one that ended unfinished is to be done again."""
        self.folders = stage_folders(self.recipe, self.out)
        for stage in stages:
            done = self.folders[stage.name].done()
            if done and done.get("unfinished"):
                done = None
            row = (
                {"status": "done", "seconds": done["seconds"], "summary": done["summary"]}
                if done
                else {"status": "waiting", "seconds": None, "summary": {}}
            )
            self.rows[stage.name] = {"name": stage.name, "kind": stage.spec.kind, **row}

    def go(self) -> None:
        """All stages."""
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
            if self.folders[stage.name].seen() != self.folders[stage.name].key:
                self._look(self.recipe.stages[number:])
                self.timing.waiting = [
                    later
                    for later in self.recipe.stages[number:]
                    if self.rows[later.name]["status"] != "done"
                ]
            gc.collect()
        progress.plan(0, 0)
        self._conclude()

    def _record(self) -> None:
        files.write_json(
            self.out / "run.json",
            {"name": self.recipe.name, "recipe": self.recipe.resolved, "stages": list(self.rows.values())},
        )

    def _do(self, stage: Stage) -> None:
        """One stage, its outcome recorded whatever it is."""
        row, folder = self.rows[stage.name], self.folders[stage.name]
        row["status"] = "running"
        self._record()
        started, spent = time.monotonic(), 0.0
        retried = folder.unfinished()
        try:
            with _naming(stage, folder.folder):
                spent = folder.prepare()
                summary = run_stage(stage.spec, self._bound(stage), folder.product, folder.folder, self.out)
                if not folder.product.exists():
                    raise MaskSearchError(f"it ended without writing {folder.product}.")
                seconds = round(time.monotonic() - started, 2)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                record = {
                    "kind": stage.spec.kind,
                    "seconds": round(seconds + spent, 2),
                    "summary": summary,
                    "peak_memory_mb": peak,
                }
                marks = {"unfinished": bool(summary.get("unfinished")), "retried": retried}
                folder.finish({**record, **{name: True for name, value in marks.items() if value}})
        except BaseException as error:
            row.update(
                status="interrupted" if isinstance(error, KeyboardInterrupt) else "failed",
                seconds=round(time.monotonic() - started + spent, 2),
            )
            # A full disk must not hide the error that is on its way up.
            with contextlib.suppress(OSError):
                folder.pause(row["seconds"])
                self._record()
            raise
        row.update(status="done", seconds=round(seconds + spent, 2), summary=summary)
        self._record()
        self.timing.done(stage, seconds, resumed=spent > 0)
        say(f"      done in {human_time(seconds)}{told(summary)}")

    def _bound(self, stage: Stage) -> Any:
        """The settings with every stage's name replaced by the path of its product."""
        values = references.change(
            stage.spec.settings, stage.settings, lambda field, value, many: [self.products.get(value, value)]
        )
        return stage.spec.settings.model_validate(values)

    @property
    def unfinished(self) -> list[str]:
        """The stages that ended without some of what they should have done."""
        return [name for name, row in self.rows.items() if row["summary"].get("unfinished")]

    def _conclude(self) -> None:
        """The results, on standard output."""
        for stage in self.recipe.stages:
            table = self.rows[stage.name]["summary"].get("table")
            if table:
                print(f"\n{table}")
        if self.unfinished:
            say(
                f"Not all could be done in {', '.join(self.unfinished)}; start the same command again to go on with what is left."
            )
        for stage in self.recipe.stages:
            note = self.rows[stage.name]["summary"].get("note")
            if note:
                print(f"\n{stage.name}: {note}")
        for stage in self.recipe.stages:
            if stage.spec.takes_run:
                print(f"\nReport: {self.products[stage.name]}")
        sys.stdout.flush()


@contextlib.contextmanager
def _naming(stage: Stage, folder: Path) -> Iterator[None]:
    """Errors tell in which stage they arose; a full disk is told as such, whoever noticed it."""
    try:
        yield
    except Exception as error:
        if disk_is_full(error, folder):
            raise MaskSearchError(
                f"Stage '{stage.name}': the disk is full ({folder}); free some space and start the same command again to go on."
            ) from error
        if isinstance(error, MaskSearchError):
            named = MaskSearchError(f"Stage '{stage.name}': {error}")
            named.exit_status = error.exit_status
            raise named from error
        error.add_note(f"in stage '{stage.name}'")
        raise


def disk_is_full(error: BaseException, folder: Path) -> bool:
    """Whether `error` comes from a full disk; libraries that write by themselves say so in words of their own, or not at all."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if FULL_DISK.search(str(error)):
        return True
    with contextlib.suppress(OSError):
        return (
            shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free < 4096
        )
    return False


def told(summary: dict[str, Any]) -> str:
    """`: ` with what came of a stage: its own text, or its first figures."""
    figures = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in summary.items()
        if isinstance(value, int | float) and name not in ("seconds", "bytes")
    ]
    text = summary.get("text") or ", ".join(figures[:4])
    return f": {text}" if text else ""


class _Timing:
    """The time left, from what the recipe expects and how fast this machine has been so far."""

    def __init__(self, waiting: list[Stage]) -> None:
        self.waiting = list(waiting)
        self.expected = self.actual = 0.0

    def done(self, stage: Stage, seconds: float, resumed: bool) -> None:
        """Learns from a stage that was run from its start."""
        self.waiting.remove(stage)
        if stage.expect_seconds and not resumed:
            self.expected += stage.expect_seconds
            self.actual += seconds

    def outlook(self, stage: Stage) -> str:
        """` (about 6m, 11m left in all)`, as far as the recipe allows to say it."""
        scale = (
            min(max(self.actual / self.expected, SCALE_LIMITS[0]), SCALE_LIMITS[1]) if self.expected else 1.0
        )
        mine = (stage.expect_seconds or 0.0) * scale
        total = sum(waiting.expect_seconds or 0.0 for waiting in self.waiting) * scale
        progress.plan(mine, total - mine)
        if not total:
            return ""
        known = all(waiting.expect_seconds is not None for waiting in self.waiting)
        left = f"{'' if known else 'more than '}{rough_time(total)} left in all"
        return f" (about {rough_time(mine)}, {left})" if mine else f" ({left})"


def rough_time(seconds: float) -> str:
    """A guess, as precise as a guess is: `8s`, `40s`, `6m`, `1h20m`."""
    if seconds < 10:
        return f"{max(1, round(seconds))}s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5}s"
    return f"{round(seconds / 60)}m" if seconds < 3600 else human_time(seconds)
