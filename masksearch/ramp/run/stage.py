"""The stage `mask`: makes verified tasks from a corpus, and reports what was dropped and why.

    1. Uses the given index, or builds one. If no check searches, it only cuts the corpus into passages.
    2. Marks near-copies, draws the order of the documents, and fits the shares of the mask counts to a
       sample.
    3. Processes shards of documents in this process, several processes or a cluster; writes each shard
       atomically.
    4. Joins the tasks of the shards, up to the limit.

Chained tasks (`hops`, `form`, `shapes`) have a run of their own, ramp/chains/run/stage.py.

prepare.py has steps 1 and 2. Each step stores its result in the work folder. A resumed run therefore writes
the same bytes as an uninterrupted one.

    masksearch mask docs.jsonl -o tasks.jsonl --limit 1000
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from masksearch.errors import MaskSearchError
from masksearch.ramp.chains.run.stage import ChainRun
from masksearch.ramp.masking.mask_counts import Selection, wanted_shares
from masksearch.ramp.run.base import REPORT, Run
from masksearch.ramp.run.check_settings import check_same_text, check_settings
from masksearch.ramp.run.prepare import forget_other_work, prepare, tidy
from masksearch.ramp.run.product import check_output
from masksearch.ramp.run.shard_workers import Engine, open_engine
from masksearch.ramp.run.shards import ShardFile, shard_folder
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.progress import Progress
from masksearch.runtime.resume import reported_summary

OUTAGE = 20
"""Number of documents set aside in a row, without a processed one between them, that ends the run."""
_PLACE = 1 << 24
"""Identifies a task by its place: shard * _PLACE + number of the task in the shard."""


def run_mask(settings: MaskSettings, output: Path, work: Path | None = None) -> dict[str, Any]:
    """Writes tasks to `output` and returns a summary.

    `output` is a file (`.jsonl`, also with `.gz`, `.bz2` or `.zst`; `.parquet`; `-` for standard output),
    or a folder of shards if its name has no suffix. The folder `work` holds intermediate results for a
    resumed run, and in the end the report. Raises SearchError if the index was built from another corpus,
    DataError if no task can be made.
    """
    check_output(Path(output))
    if work is None:
        with tempfile.TemporaryDirectory() as folder:
            return _run(settings, Path(output), Path(folder))
    work.mkdir(parents=True, exist_ok=True)
    return _run(settings, Path(output), work)


def _run(settings: MaskSettings, output: Path, work: Path) -> dict[str, Any]:
    """Runs all steps, or none if an earlier attempt was interrupted after writing its output."""
    run = ChainRun(settings, output, work) if settings.chained else _MaskRun(settings, output, work)
    if output.exists() and (summary := reported_summary(work / REPORT, run.settings)):
        tidy(work)
        return summary
    check_settings(run.settings, output)
    if settings.corpus and settings.index:
        check_same_text(run.settings)
    forget_other_work(run.settings, work)
    return run.go()


class _MaskRun(Run):
    """A run that masks passages, with the tasks selected so far."""

    def __init__(self, settings: MaskSettings, output: Path, work: Path) -> None:
        super().__init__(settings, output, work)
        self.wanted = wanted_shares(settings)
        self.selection = Selection(self.wanted, settings.limit)
        self.failed = 0
        """Number of documents set aside in a row. A shard with a processed document resets it to 0."""

    def go(self) -> dict[str, Any]:
        """Makes and writes the tasks; returns the summary."""
        self.plan = prepare(self.settings, self.wanted, self.work)
        with open_engine(self.plan) as engine:
            self.write(self._tasks(engine))
        del engine  # and with it the index that it has open
        return self.conclude()

    def _tasks(self, engine: Engine) -> Iterator[dict[str, Any]]:
        """Yields the selected tasks in the order of the shards; processes only as many shards as needed."""
        done, limit = 0, self.settings.limit
        shards = self.plan.shards * self.plan.rounds
        total, unit = (shards, "shards") if limit is None else (limit, "tasks")
        with Progress("Masking", total, unit) as bar:
            while done < shards and not self.selection.full:
                window = range(done, min(shards, done + self._window(done)))
                for shard in engine.run(self._to_do(window)):
                    self._stop_if_all_failed(shard)
                    if limit is None:
                        bar.step(note=f"{self.plan.shard_size} documents each")
                for shard in window:
                    if self.selection.full:
                        break
                    yield from self._selected(shard)
                    done += 1
                if limit is not None:
                    note = f"{self.stats.passages} passages tried"
                    bar.step(self.selection.taken - bar.done, note=note)
            for shard, places in groupby(self.selection.fill_up(), lambda place: place // _PLACE):
                chosen = {place % _PLACE for place in places}
                for number, task in enumerate(ShardFile(self._shards, shard).tasks()):
                    if number in chosen:
                        yield self.count(task)

    def _window(self, done: int) -> int:
        """Returns the number of shards to process next: all, or an estimate of how many the limit needs.

        The estimate is unreliable after few shards, so it is at most the number of shards processed so far.
        But at least one shard per worker is processed.
        """
        if self.settings.limit is None:
            return self.plan.shards
        left = self.settings.limit - self.selection.taken
        needed = round(done * left / max(1, self.selection.taken))
        return max(self.settings.workers, min(needed, done))

    @property
    def _shards(self) -> Path:
        return shard_folder(self.work)

    def _to_do(self, window: range) -> list[int]:
        """Returns the shards of `window` that are missing or in which documents were set aside."""
        files = {shard: ShardFile(self._shards, shard) for shard in window}
        return [shard for shard, file in files.items() if not file.done or file.record()[1]]

    def _stop_if_all_failed(self, shard: int) -> None:
        """Raises MaskSearchError after OUTAGE failed documents in a row: the endpoint is then down."""
        stats, rejects = ShardFile(self._shards, shard).record()
        self.failed = 0 if stats.passages else self.failed + len(rejects)
        if self.failed >= OUTAGE:
            raise MaskSearchError(
                f"{self.failed} documents in a row were set aside ({next(iter(rejects.values()))}); "
                "fix the cause and start the same command again."
            )

    def _selected(self, shard: int) -> Iterator[dict[str, Any]]:
        """Adds a shard's counts to those of the run; yields the shard's tasks that the selection takes."""
        file = ShardFile(self._shards, shard)
        stats, rejects = file.record()
        self.stats.merge(stats.without_tasks())
        self.rejects |= rejects
        for number, task in enumerate(file.tasks()):
            if self.selection.wants(task["masks"], shard * _PLACE + number):
                yield self.count(task)
