"""What every run of the stage `mask` shares: its output, report, summary and rejects."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.ramp.run.plan import Plan
from masksearch.ramp.run.prepare import REJECTS, tidy, with_corpus
from masksearch.ramp.run.product import is_folder_product, write_folder, write_tasks
from masksearch.ramp.run.tally import MaskStats, survival_table
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.files import write_json, write_json_lines
from masksearch.runtime.progress import say
from masksearch.search import load

REPORT = "mask-report.json"


class Run:
    """A run with its counts so far. Subclasses make the tasks."""

    plan: Plan

    def __init__(self, settings: MaskSettings, output: Path, work: Path) -> None:
        self.settings, self.output, self.work = with_corpus(settings), output, work
        self.stats = MaskStats()
        self.rejects: dict[str, str] = {}
        self.started = time.monotonic()

    def write(self, tasks: Iterator[dict[str, Any]]) -> None:
        """Writes the output. If no task was made, raises DataError and creates no output."""
        first = next(tasks, None)
        if first is None:
            raise DataError(f"No task could be made from {self.settings.corpus}: {self.why_no_task()}.")

        def all_tasks() -> Iterator[dict[str, Any]]:
            yield first
            yield from tasks

        if is_folder_product(self.output):
            write_folder(self.output, all_tasks(), self.settings.format, self.report)
        else:
            write_tasks(self.output, all_tasks())

    def count(self, task: dict[str, Any]) -> dict[str, Any]:
        """Counts a task that is written, and returns it."""
        self.stats.add_task(task)
        return task

    def report(self) -> dict[str, Any]:
        """Returns the report of the run: settings, versions and counts."""
        summary = self.stats.summary()
        if self.plan.searches:
            summary["retriever"] = load(self.plan.store).fingerprint
        return {
            "settings": self.settings.model_dump(mode="json"),
            "shares_drawn_with": dict(self.plan.shares),
            "versions": {"masksearch": version("masksearch")},
            **summary,
        }

    def text(self) -> str:
        """Returns what the run says at its end."""
        return (
            f"{self.stats.kept} tasks from {self.stats.passages} passages tried; "
            f"dropped: {self.drop_counts() or 'none'}"
        )

    def conclude(self) -> dict[str, Any]:
        """Writes the report and the rejects, removes intermediate results, and returns the summary."""
        report = self.report()
        text = self.text()
        summary = {
            "text": text,
            **self.stats.summary(),
            "passages": len(self.plan.passages),
            "retriever": report.get("retriever", ""),
        }
        summary["seconds"] = round(time.monotonic() - self.started, 2)
        if self.rejects:
            summary["unfinished"] = len(self.rejects)
        write_json(
            self.work / REPORT, {**report, "text": text, "seconds": summary["seconds"], "summary": summary}
        )
        if self.stats.survival:
            say(survival_table(self.stats.survival))
        if self.stats.filled:
            say(
                f"  {self.stats.filled} of {self.stats.passages} passages have few names or are technical "
                "prose; terms were added to their spans (terms_where_few)."
            )
        if self.settings.limit is not None and self.stats.kept < self.settings.limit:
            say(f"  The corpus allows fewer tasks than the limit of {self.settings.limit}.")
        if self.rejects:
            write_json_lines(
                self.work / REJECTS,
                ({"doc_id": name, "reason": reason} for name, reason in self.rejects.items()),
            )
            rejects = self.work / REJECTS
            say(f"  {self.set_aside()}; {rejects} lists them. Run the command again to retry them.")
        else:
            # Windows cannot remove mapped files. The engine's index is in a reference cycle, so only
            # `gc.collect` closes it.
            self.plan.close()
            gc.collect()
            tidy(self.work)
        return summary

    def drop_counts(self) -> str:
        """Returns the counts of dropped passages or drafts by reason, the largest first."""
        return ", ".join(f"{count} {reason}" for reason, count in self.stats.dropped.most_common())

    def set_aside(self) -> str:
        """Returns how many documents were set aside, and why the first one was."""
        return f"{len(self.rejects)} documents were set aside ({next(iter(self.rejects.values()))})"

    def why_no_task(self) -> str:
        """Returns why no task could be made."""
        if self.rejects:
            return self.set_aside()
        if not self.stats.passages:
            return "none of its documents is on the chosen side of the split"
        return f"of {self.stats.passages} passages tried, none gave a task ({self.drop_counts()})"
