"""The stage `mask`: a corpus and its index into a file of tasks, with a report of what was dropped and why.

The one place of this room that opens a search index (`masksearch.search` comes later in the import order, so it is imported when the
stage runs); everything else takes whatever answers `search`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksearch.errors import DataError, SearchError
from masksearch.files import read_json_lines, write_json, write_json_lines
from masksearch.progress import Progress, say
from masksearch.ramp.generate import MaskStats, make_tasks, select
from masksearch.settings import IndexSettings, MaskSettings
from masksearch.types import MaskedTask, Passage

if TYPE_CHECKING:
    from masksearch.search import Bm25Searcher

REPORT = "mask-report.json"


def run_mask(settings: MaskSettings, output: Path, work: Path | None = None) -> dict[str, Any]:
    """Writes the task file `output` (`.gz` is packed, `-` is standard output) and `mask-report.json` in `work`; returns the summary.

    Raises SearchError when the index was built from another corpus, DataError when not one task came out.
    """
    started = time.monotonic()
    passages, searcher = _environment(settings)
    chosen = select(passages, settings, _excluded(settings.exclude))
    stats = MaskStats()
    tasks = _make(chosen, searcher, settings, stats)
    seconds = time.monotonic() - started
    if not tasks:
        raise DataError(f"No task could be made of {settings.corpus}: {_why(passages, chosen, stats)}.")
    write_json_lines(output, (task.to_json() for task in tasks))
    told = f"{stats.kept} tasks of {stats.passages} passages looked at; dropped: {_reasons(stats)}"
    summary = {"text": told, **stats.summary(), "passages": len(passages), "eligible": len(chosen), "retriever": searcher.fingerprint}
    summary["seconds"] = round(seconds, 2)
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        write_json(work / REPORT, {"settings": settings.model_dump(mode="json"), **summary})
    if settings.limit is not None and stats.kept < settings.limit:
        say(f"  The text allows no more: {settings.limit} tasks were asked for.")
    return summary


def _make(chosen: list[Passage], searcher: Bm25Searcher, settings: MaskSettings, stats: MaskStats) -> list[MaskedTask]:
    """All tasks, with a display that counts tasks where there is a limit, else passages."""
    tasks = []
    if settings.limit is not None:
        with Progress("Masking", settings.limit, "tasks") as progress:
            for task in make_tasks(chosen, searcher, settings, stats):
                tasks.append(task)
                progress.step(note=f"{stats.passages} passages looked at")
        return tasks
    with Progress("Masking", len(chosen), "passages") as progress:
        for task in make_tasks(chosen, searcher, settings, stats):
            tasks.append(task)
            progress.step(stats.passages - progress.done, note=f"{stats.kept} tasks")
        progress.step(len(chosen) - progress.done)
    return tasks


def _environment(settings: MaskSettings) -> tuple[list[Passage], Bm25Searcher]:
    """The passages and the index to verify against: the given one, if it is of the same text, or one in memory."""
    from masksearch.corpus import corpus_hash
    from masksearch.search import Bm25Searcher, load, read_passages

    if not settings.index:
        wanted = IndexSettings(corpus=settings.corpus, max_words=settings.max_words)
        passages = read_passages(wanted)
        return passages, Bm25Searcher.in_memory(passages, wanted)
    searcher = load(settings.index)
    passages = read_passages(searcher.settings.model_copy(update={"corpus": settings.corpus}))
    if corpus_hash(passages) != searcher.manifest["corpus_hash"]:
        raise SearchError(
            f"The index {settings.index} was built from another corpus ({searcher.manifest['corpus']}) than {settings.corpus}, or the text has changed since; "
            f"build it again with: masksearch index {settings.corpus} -o {settings.index}."
        )
    return passages, searcher


def _excluded(files: Iterable[str]) -> set[str]:
    """Document ids and titles in task files."""
    found: set[str] = set()
    for file in files:
        for _, record in read_json_lines(file):
            found.update(str(record[name]) for name in ("doc_id", "title") if record.get(name))
    return found


def _reasons(stats: MaskStats) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in stats.dropped.most_common()) or "none"


def _why(passages: list[Passage], chosen: list[Passage], stats: MaskStats) -> str:
    if not chosen:
        return f"none of its {len(passages)} passages is on the chosen side of the split and not excluded"
    return f"of {stats.passages} passages, {_reasons(stats)}"
