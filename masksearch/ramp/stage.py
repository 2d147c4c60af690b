"""The stage `mask`: a corpus into verified tasks, with a report of what was dropped and why.

    1. the text: an index that is given, or one that is built (or, where no search is asked for, just the passages cut)
    2. near-copies are marked, the order of the documents is drawn, the shares of the mask counts are fitted to a sample
    3. shards of documents are worked, by this process, by several, or by a cluster; each is written whole or not at all
    4. their tasks are put together, as many as were asked for

Every step leaves its outcome in the work folder, so that a run that was broken off goes on and ends in the same bytes.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import groupby, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from masksearch.corpus import SkipCount, corpus_hash, cut_all, read_documents
from masksearch.corpus.identity import source_hash
from masksearch.errors import DataError, MaskSearchError, SearchError
from masksearch.files import atomic_path, check_parquet, remove, write_json, write_json_lines
from masksearch.progress import Progress, say
from masksearch.ramp.counts import Selection, tilted, wanted_shares
from masksearch.ramp.decontaminate import Decontaminator
from masksearch.ramp.engines import Engine, check_ray, open_engine
from masksearch.ramp.generate import sample_most
from masksearch.ramp.guess import make_guesser
from masksearch.ramp.product import check_output, is_folder_product, write_folder, write_tasks
from masksearch.ramp.shards import ShardFile, shard_folder
from masksearch.ramp.spans import Failure, make_extractors
from masksearch.ramp.strategies import make_strategy
from masksearch.ramp.tally import MaskStats, survival_table
from masksearch.ramp.tools import COPIES, ORDER, Plan, build_tools
from masksearch.search import build_index, load
from masksearch.search.storage import write_passages
from masksearch.settings import IndexSettings, MaskSettings

REPORT, REJECTS, SHARES = "mask-report.json", "rejects.jsonl", "shares.json"
SAMPLE = 256
"""Passages the shares of the mask counts are fitted to."""
LEAST_SHARD = 100
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
        self.settings, self.output, self.work = settings, output, work
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
            self._tidy()
            return summary
        check_early(self.settings, self.output)
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
        with Progress("Masking", self.plan.shards if limit is None else limit, "shards" if limit is None else "tasks") as bar:
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
                    bar.step(self.selection.taken - bar.done, note=f"{self.stats.passages} passages looked at")
            for shard, places in groupby(self.selection.fill_up(), lambda place: place // _PLACE):
                chosen = {place % _PLACE for place in places}
                for number, task in enumerate(ShardFile(self._shards, shard).tasks()):
                    if number in chosen:
                        yield self._count(task)

    def _window(self, done: int) -> int:
        """How many shards to work next: all, or as many as the limit seems to need."""
        if self.settings.limit is None:
            return self.plan.shards
        if not done:
            return self.settings.workers
        left = self.settings.limit - self.selection.taken
        return max(self.settings.workers, round(done * left / max(1, self.selection.taken)))

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
        return {"settings": self.settings.model_dump(mode="json"), "shares_drawn_with": dict(self.plan.shares), "versions": _versions(), **summary}

    def _conclude(self) -> dict[str, Any]:
        report = self._report()
        told = f"{self.stats.kept} tasks of {self.stats.passages} passages looked at; dropped: {self._lost() or 'none'}"
        summary = {"text": told, **self.stats.summary(), "passages": len(self.plan.passages), "retriever": report.get("retriever", "")}
        summary["seconds"] = round(time.monotonic() - self.started, 2)
        if self.rejects:
            summary["unfinished"] = len(self.rejects)
        write_json(self.work / REPORT, {**report, "text": told, "seconds": summary["seconds"], "summary": summary})
        if self.stats.survival:
            say(survival_table(self.stats.survival))
        if self.settings.limit is not None and self.stats.kept < self.settings.limit:
            say(f"  The text allows no more: {self.settings.limit} tasks were asked for.")
        if self.rejects:
            write_json_lines(self.work / REJECTS, ({"doc_id": name, "reason": reason} for name, reason in self.rejects.items()))
            say(f"  {len(self.rejects)} documents were set aside ({next(iter(self.rejects.values()))}): {self.work / REJECTS}.")
        else:
            self._tidy()
        return summary

    def _written(self) -> dict[str, Any]:
        """The summary of a run with these settings whose product is whole; empty if there is none."""
        try:
            report = json.loads((self.work / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        same = report.get("settings") == self.settings.model_dump(mode="json") and not report.get("set_aside")
        return dict(report.get("summary", {})) if same else {}

    def _tidy(self) -> None:
        """Removes what only served to resume. Renamed first: a kill must not leave half a folder that is taken for a whole one."""
        for name in ("shards", "corpus", "index", ORDER, COPIES, REJECTS, SHARES):
            if (self.work / name).exists():
                doomed = self.work / f".{name}.done.tmp"
                remove(doomed)
                (self.work / name).rename(doomed)
                remove(doomed)

    def _lost(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in self.stats.dropped.most_common())

    def _why(self) -> str:
        if self.rejects:
            return f"{len(self.rejects)} documents were set aside ({next(iter(self.rejects.values()))})"
        if not self.stats.passages:
            return "none of its documents is on the chosen side of the split"
        return f"of {self.stats.passages} passages, {self._lost()}"


# -- what is done before the shards are worked -------------------------------------------------------------------------


def check_early(settings: MaskSettings, output: Path) -> None:
    """Meets wrong settings, bad files and missing extras before any work is done. Raises what each of them raises."""
    make_extractors(settings)
    make_strategy(settings)
    if "not-guessable" in settings.verify:
        make_guesser(settings)
    if settings.exclude or settings.exclude_corpus:
        Decontaminator.from_files(settings.exclude, (), settings.exclude_ngram)
    if settings.engine == "ray":
        check_ray()
    if output.suffix == ".parquet" or (is_folder_product(output) and settings.format == "parquet"):
        check_parquet()


def prepare(settings: MaskSettings, wanted: dict[int, float], work: Path) -> Plan:
    """The plan of a run, with everything in place that it refers to. What an earlier attempt has left is used again."""
    shard_folder(work).mkdir(parents=True, exist_ok=True)
    for leftover in shard_folder(work).glob(".*.tmp"):  # of a process that was killed while it wrote
        remove(leftover)
    store, searches = _store(settings, work)
    plan = Plan(settings, store, work, {}, searches, _shard_size(settings))
    _mark_copies(plan)
    _draw_order(plan)
    return Plan(settings, store, work, _shares(plan, wanted), searches, plan.shard_size)


def _shard_size(settings: MaskSettings) -> int:
    """A limit far below a shard's yield makes shards smaller, so that little is made in vain."""
    if settings.limit is None:
        return settings.shard_size
    side = {"all": 1.0, "train": 1 - settings.heldout_share, "heldout": settings.heldout_share}[settings.split]
    return min(settings.shard_size, max(LEAST_SHARD, round(settings.limit / side)))


def _store(settings: MaskSettings, work: Path) -> tuple[Path, bool]:
    """The folder with the passages, and whether it is an index to search."""
    searches = "retrievable" in settings.verify or settings.hide_source
    if settings.index:
        _check_same_text(settings)
        return Path(settings.index), searches
    folder = work / ("index" if searches else "corpus")
    wanted = IndexSettings(corpus=settings.corpus, max_words=settings.max_words, language=settings.language, workers=settings.workers)
    if folder.exists():
        return folder, searches
    if searches:
        build_index(wanted, folder, work)
    else:
        _spool(wanted, folder)
    return folder, searches


def _spool(settings: IndexSettings, folder: Path) -> None:
    """The passages alone, one document at a time."""
    skipped = SkipCount()
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        with Progress("Reading the corpus", None, "documents") as bar:

            def counted() -> Iterator[Any]:
                for document in read_documents(settings.corpus, None, skipped, settings.language, settings.workers):
                    bar.step()
                    yield document

            write_passages(temporary, cut_all(counted(), settings.max_words))
    if skipped.total:
        say(skipped.table())


def _check_same_text(settings: MaskSettings) -> None:
    """Raises SearchError where the index holds another text than the corpus."""
    searcher = load(settings.index)
    known = searcher.manifest.get("source_hash")
    if known and known == source_hash(settings.corpus):
        return
    wanted = searcher.settings.model_copy(update={"corpus": settings.corpus})
    if corpus_hash(cut_all(read_documents(wanted.corpus, wanted.limit, None, wanted.language), wanted.max_words)) != searcher.manifest["corpus_hash"]:
        raise SearchError(
            f"The index {settings.index} was built from another corpus ({searcher.manifest['corpus']}) than {settings.corpus}, or the text has changed since; "
            f"build it again with: masksearch index {settings.corpus} -o {settings.index}."
        )


def _mark_copies(plan: Plan) -> None:
    from masksearch.ramp.duplicates import find_duplicates

    if plan.settings.near_duplicates and not (plan.work / COPIES).exists():
        _save(plan.work / COPIES, find_duplicates(plan.passages, plan.settings.near_duplicates, plan.work, plan.settings.workers))


def _draw_order(plan: Plan) -> None:
    """With a limit the documents are worked in a drawn order, so that the tasks are a sample of the whole corpus; else as they stand."""
    if plan.settings.limit is not None and not (plan.work / ORDER).exists():
        seed = Random(f"{plan.settings.seed}:order").getrandbits(64)
        _save(plan.work / ORDER, np.random.default_rng(seed).permutation(len(plan.passages.document_starts)))


def _save(path: Path, array: Any) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, array)


def _shares(plan: Plan, wanted: dict[int, float]) -> dict[int, float]:
    """The shares to draw mask counts with; kept, so that a resumed run draws with the same ones."""
    if len(wanted) == 1:
        return wanted
    path = plan.work / SHARES
    if not path.exists():
        step = max(1, len(plan.order) // SAMPLE)
        sources = [plan.source(int(document)) for document in islice(plan.order[::step], SAMPLE)]
        found = list(sample_most(sources, build_tools(plan)))
        failures = [one for one in found if isinstance(one, Failure)]
        if 2 * len(failures) > len(found):
            told = f"Of {len(found)} passages tried {len(failures)} failed ({failures[0].reason})"
            raise MaskSearchError(f"{told}; start the same command again when this is mended.")
        write_json(path, tilted(wanted, (one for one in found if not isinstance(one, Failure))))
    return {int(k): float(share) for k, share in json.loads(path.read_text(encoding="utf-8")).items()}


def _versions() -> dict[str, str]:
    return {"masksearch": version("masksearch")}
