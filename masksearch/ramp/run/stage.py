"""The stage `mask`: a corpus into verified tasks, with a report of what was dropped and why.

    1. the text: an index that is given, or one that is built (or, where no search is asked for, just the passages cut)
    2. near-copies are marked, the order of the documents is drawn, the shares of the mask counts are fitted to a sample
    3. shards of documents are worked, by this process, by several, or by a cluster; each is written whole or not at all
    4. their tasks are put together, as many as were asked for

Steps 1 and 2 are in prepare.py. Every step leaves its outcome in the work folder, so that a run that was broken off goes on and ends in the same bytes.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, MaskSearchError
from masksearch.ramp.masking.mask_counts import Selection, wanted_shares
from masksearch.ramp.run.prepare import (
    REJECTS,
    check_early,
    check_same_text,
    forget_other_work,
    prepare,
    tidy,
    with_corpus,
)
from masksearch.ramp.run.product import check_output, is_folder_product, write_folder, write_tasks
from masksearch.ramp.run.shard_workers import Engine, open_engine
from masksearch.ramp.run.shards import ShardFile, shard_folder
from masksearch.ramp.run.tally import MaskStats, survival_table
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.files import write_json, write_json_lines
from masksearch.runtime.progress import Progress, say
from masksearch.search import load

REPORT = "mask-report.json"
OUTAGE = 20
"""So many documents set aside, and none worked between them, end the run."""
_PLACE = 1 << 24
"""A task's place is shard * _PLACE + its number there."""


def run_mask(settings: MaskSettings, output: Path, work: Path | None = None) -> dict[str, Any]:
    """Writes tasks to `output`: a file (`.jsonl`, also `.gz`, `.bz2`, `.zst`; `.parquet`; `-`), or a folder of shards where the name has no suffix.

    Keeps what it needs to resume in `work`, and the report at the end; returns the summary. Raises SearchError when the index was built
    from another corpus, DataError when not one task came out.
    """
    check_output(Path(output))
    if work is None:
        with tempfile.TemporaryDirectory() as folder:
            return _Run(settings, Path(output), Path(folder)).go()
    work.mkdir(parents=True, exist_ok=True)
    return _Run(settings, Path(output), work).go()


class _Run:
    """One run of the stage."""

    def __init__(self, settings: MaskSettings, output: Path, work: Path) -> None:
        self.settings, self.output, self.work = with_corpus(settings), output, work
        self.check_text = bool(settings.corpus and settings.index)
        self.wanted = wanted_shares(settings)
        self.selection = Selection(self.wanted, settings.limit)
        self.stats = MaskStats()
        self.rejects: dict[str, str] = {}
        self.failed = 0
        """Documents set aside since the last shard in which one was worked."""
        self.started = time.monotonic()

    def go(self) -> dict[str, Any]:
        """All steps; none where an earlier attempt was broken off after its product was written."""
        if self.output.exists() and (summary := self._written()):
            tidy(self.work)
            return summary
        check_early(self.settings, self.output)
        if self.check_text:
            check_same_text(self.settings)
        forget_other_work(self.settings, self.work)
        self.plan = prepare(self.settings, self.wanted, self.work)
        with open_engine(self.plan) as engine:
            self._write(engine)
        return self._conclude()

    def _write(self, engine: Engine) -> None:
        tasks = self._tasks(engine)
        first = next(tasks, None)
        if first is None:
            raise DataError(f"No task could be made of {self.settings.corpus}: {self._why()}.")

        def everything() -> Iterator[dict[str, Any]]:
            yield first
            yield from tasks

        if is_folder_product(self.output):
            write_folder(self.output, everything(), self.settings.format, self._report)
        else:
            write_tasks(self.output, everything())

    def _tasks(self, engine: Engine) -> Iterator[dict[str, Any]]:
        """The tasks that are wanted, in the order of the shards; shards are worked as far as that needs."""
        done, limit = 0, self.settings.limit
        with Progress(
            "Masking", self.plan.shards if limit is None else limit, "shards" if limit is None else "tasks"
        ) as bar:
            while done < self.plan.shards and not self.selection.full:
                window = range(done, min(self.plan.shards, done + self._window(done)))
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
                    bar.step(
                        self.selection.taken - bar.done, note=f"{self.stats.passages} passages looked at"
                    )
            for shard, places in groupby(self.selection.fill_up(), lambda place: place // _PLACE):
                chosen = {place % _PLACE for place in places}
                for number, task in enumerate(ShardFile(self._shards, shard).tasks()):
                    if number in chosen:
                        yield self._count(task)

    def _window(self, done: int) -> int:
        """How many shards to work next: all, or as many as the limit seems to need, but no more than have been worked: few tasks say little."""
        if self.settings.limit is None:
            return self.plan.shards
        left = self.settings.limit - self.selection.taken
        needed = round(done * left / max(1, self.selection.taken))
        return max(self.settings.workers, min(needed, done))

    @property
    def _shards(self) -> Path:
        return shard_folder(self.work)

    def _to_do(self, window: range) -> list[int]:
        """The shards that are missing, and those of an earlier run in which documents were set aside."""
        files = {shard: ShardFile(self._shards, shard) for shard in window}
        return [shard for shard, file in files.items() if not file.done or file.record()[1]]

    def _stop_if_all_failed(self, shard: int) -> None:
        """An endpoint that answers nothing is no reason to set a whole corpus aside. Raises MaskSearchError."""
        stats, rejects = ShardFile(self._shards, shard).record()
        self.failed = 0 if stats.documents else self.failed + len(rejects)
        if self.failed >= OUTAGE:
            raise MaskSearchError(
                f"{self.failed} documents in a row were set aside ({next(iter(rejects.values()))}); start the same command again when this is mended."
            )

    def _selected(self, shard: int) -> Iterator[dict[str, Any]]:
        file = ShardFile(self._shards, shard)
        stats, rejects = file.record()
        self.stats.merge(stats.without_tasks())
        self.rejects |= rejects
        for number, task in enumerate(file.tasks()):
            if self.selection.wants(task["masks"], shard * _PLACE + number):
                yield self._count(task)

    def _count(self, task: dict[str, Any]) -> dict[str, Any]:
        self.stats.add_task(task)
        return task

    def _report(self) -> dict[str, Any]:
        """What is written beside the tasks."""
        summary = self.stats.summary()
        if self.plan.searches:
            summary["retriever"] = load(self.plan.store).fingerprint
        return {
            "settings": self.settings.model_dump(mode="json"),
            "shares_drawn_with": dict(self.plan.shares),
            "versions": _versions(),
            **summary,
        }

    def _conclude(self) -> dict[str, Any]:
        report = self._report()
        told = f"{self.stats.kept} tasks of {self.stats.passages} passages looked at; dropped: {self._lost() or 'none'}"
        summary = {
            "text": told,
            **self.stats.summary(),
            "passages": len(self.plan.passages),
            "retriever": report.get("retriever", ""),
        }
        summary["seconds"] = round(time.monotonic() - self.started, 2)
        if self.rejects:
            summary["unfinished"] = len(self.rejects)
        write_json(
            self.work / REPORT, {**report, "text": told, "seconds": summary["seconds"], "summary": summary}
        )
        if self.stats.survival:
            say(survival_table(self.stats.survival))
        if self.settings.limit is not None and self.stats.kept < self.settings.limit:
            say(f"  The text allows no more: {self.settings.limit} tasks were asked for.")
        if self.rejects:
            write_json_lines(
                self.work / REJECTS,
                ({"doc_id": name, "reason": reason} for name, reason in self.rejects.items()),
            )
            say(
                f"  {len(self.rejects)} documents were set aside ({next(iter(self.rejects.values()))}): {self.work / REJECTS}."
            )
        else:
            tidy(self.work)
        return summary

    def _written(self) -> dict[str, Any]:
        """The summary of a run with these settings whose product is whole; empty if there is none."""
        try:
            report = json.loads((self.work / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        same = report.get("settings") == self.settings.model_dump(mode="json") and not report.get("set_aside")
        return dict(report.get("summary", {})) if same else {}

    def _lost(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in self.stats.dropped.most_common())

    def _why(self) -> str:
        if self.rejects:
            return f"{len(self.rejects)} documents were set aside ({next(iter(self.rejects.values()))})"
        if not self.stats.passages:
            return "none of its documents is on the chosen side of the split"
        return f"of {self.stats.passages} passages, {self._lost()}"


def _versions() -> dict[str, str]:
    return {"masksearch": version("masksearch")}
