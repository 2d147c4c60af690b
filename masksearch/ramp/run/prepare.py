"""Prepares a run of the stage `mask`: stores passages, marks near-copies, orders documents, fits mask counts.

Each step stores its result in the work folder, so that a resumed run does not repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from masksearch.corpus import SkipCount, cut_all, read_documents
from masksearch.corpus.layouts.fields import parse_fields
from masksearch.corpus.packaged import DEFAULT_CORPUS
from masksearch.errors import MaskSearchError
from masksearch.ramp.checks.language_sample import language_warning
from masksearch.ramp.checks.word_lists import missing_lists
from masksearch.ramp.generate import sample_most
from masksearch.ramp.masking.mask_counts import tilted
from masksearch.ramp.run.plan import COPIES, ORDER, Plan, build_tools
from masksearch.ramp.run.shards import shard_folder
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure
from masksearch.runtime.files import atomic_path, hash_json, remove, write_json, write_text
from masksearch.runtime.progress import Progress, say
from masksearch.runtime.resume import claim
from masksearch.runtime.settings import without_added
from masksearch.search import build_index, load
from masksearch.search.index.storage import write_passages
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage

LINKED, FACTS, DRAFTS, CHECKED = "linked.key", "facts", "drafts", "checked"
"""Of chained tasks: the mark of an order that follows links, the facts, the drafts, and the checked tasks."""
REJECTS, SHARES, KEY = "rejects.jsonl", "shares.json", "settings.key"
CHAINS: Final = (LINKED, FACTS, DRAFTS, CHECKED)
RESUMED: Final = ("shards", "corpus", "index", ORDER, COPIES, REJECTS, SHARES, *CHAINS)
"""Files and folders of the work folder that only serve to resume an interrupted run."""
SAMPLE = 256
"""Number of passages to which the shares of the mask counts are fitted."""
LEAST_SHARD = 100
"""Minimum number of documents per shard for a run with a limit, which has smaller shards."""


def with_corpus(settings: MaskSettings) -> MaskSettings:
    """Returns settings with a corpus: the given one, else the index's corpus, else the packaged summaries."""
    if settings.corpus:
        return settings
    named = load(settings.index).manifest["corpus"] if settings.index else DEFAULT_CORPUS
    return settings.model_copy(update={"corpus": named})


def forget_other_work(settings: MaskSettings, work: Path) -> None:
    """Removes the results of an earlier run with other settings from `work`.

    Settings that do not affect the tasks (`workers`, `engine`, `concurrency`) may differ.
    """
    values = settings.model_dump(mode="json", exclude={"workers", "engine", "concurrency"})
    key = hash_json(without_added(MaskSettings, values))
    claim(work / KEY, key, lambda: _clear(work, RESUMED))


def prepare(settings: MaskSettings, wanted: dict[int, float], work: Path) -> Plan:
    """Runs all steps and returns the plan of the run; reuses the results of an interrupted attempt."""
    shard_folder(work).mkdir(parents=True, exist_ok=True)
    for leftover in shard_folder(work).glob(".*.tmp"):  # from a process killed while writing
        remove(leftover)
    store, searches = _store(settings, work)
    plan = Plan(settings, store, work, {}, searches, _shard_size(settings))
    _mark_copies(plan)
    _draw_order(plan)
    for warning in (language_warning(_sample(plan), settings.language), missing_lists(settings)):
        if warning:
            say(f"  {warning}")
    return Plan(settings, store, work, _shares(plan, wanted), searches, plan.shard_size)


def _shard_size(settings: MaskSettings) -> int:
    """Returns the number of documents per shard.

    A low `limit` gives small shards, so that few surplus tasks are made.
    """
    if settings.limit is None:
        return settings.shard_size
    shares = {"all": 1.0, "train": 1 - settings.heldout_share, "heldout": settings.heldout_share}
    documents = round(settings.limit / shares[settings.split])
    return min(settings.shard_size, max(LEAST_SHARD, documents))


def _store(settings: MaskSettings, work: Path) -> tuple[Path, bool]:
    """Returns the folder with the passages (built if needed), and whether it is an index to search."""
    searches = "retrievable" in settings.verify or settings.hide_source
    if settings.index:
        return Path(settings.index), searches
    folder = work / ("index" if searches else "corpus")
    wanted = IndexSettings(
        corpus=settings.corpus,
        max_words=settings.max_words,
        language=settings.language,
        workers=settings.workers,
        fields=settings.fields,
    )
    if folder.exists():
        return folder, searches
    if searches:
        build_index(wanted, folder, work)
    else:
        _store_passages(wanted, folder)
    return folder, searches


def _store_passages(settings: IndexSettings, folder: Path) -> None:
    """Stores the passages of a corpus one document at a time, without building an index."""
    skipped = SkipCount()
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        with Progress("Reading the corpus", None, "documents") as bar:

            def counted() -> Iterator[Any]:
                for document in read_documents(
                    settings.corpus,
                    None,
                    skipped,
                    settings.language,
                    settings.workers,
                    parse_fields(settings.fields),
                ):
                    bar.step()
                    yield document

            write_passages(temporary, cut_all(counted(), settings.max_words))
    if table := skipped.table():
        say(table)


def tidy(work: Path) -> None:
    """Removes all files and folders that only serve to resume a run."""
    _clear(work, (*RESUMED, KEY))


def _clear(work: Path, names: Iterable[str]) -> None:
    """Removes the named files and folders from the work folder; a missing name is ignored."""
    for name in names:
        if (work / name).exists():
            # Renamed first: if the process is killed here, no half-removed folder has a name that a resumed
            # run trusts.
            doomed = work / f".{name}.done.tmp"
            remove(doomed)
            (work / name).rename(doomed)
            remove(doomed)


def _mark_copies(plan: Plan) -> None:
    """Finds the near-copies of the corpus and stores one flag per passage (`Plan.copies`)."""
    from masksearch.ramp.checks.duplicates import find_duplicates

    settings = plan.settings
    if settings.near_duplicates and not (plan.work / COPIES).exists():
        flags = find_duplicates(plan.passages, settings.near_duplicates, plan.work, settings.workers)
        _save(plan.work / COPIES, flags)


def _sample(plan: Plan) -> Iterator[Passage]:
    """Yields the first passages of some documents, from the whole corpus."""
    step = max(1, len(plan.order) // SAMPLE)
    for document in islice(plan.order[::step], SAMPLE):
        yield plan.source(int(document)).passages[0]


def _draw_order(plan: Plan) -> None:
    """Stores a random order of the documents for a run with a limit.

    The tasks are then a sample of the whole corpus, instead of coming from its first documents only.
    """
    if plan.settings.limit is not None and not (plan.work / ORDER).exists():
        seed = Random(f"{plan.settings.seed}:order").getrandbits(64)
        _save(plan.work / ORDER, np.random.default_rng(seed).permutation(len(plan.passages.document_starts)))


def save_order(plan: Plan, order: Any) -> None:
    """Replaces the order of a plan's documents, and marks that it is done."""
    _save(plan.work / ORDER, order)
    write_text(plan.work / LINKED, "")


def _save(path: Path, array: Any) -> None:
    """Writes an array as a .npy file; the write is atomic."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, array)


def _shares(plan: Plan, wanted: dict[int, float]) -> dict[int, float]:
    """Returns the shares with which mask counts are drawn; stores them for a resumed run."""
    if len(wanted) == 1:
        return wanted
    path = plan.work / SHARES
    if not path.exists():
        step = max(1, len(plan.order) // SAMPLE)
        sources = [plan.source(int(document)) for document in islice(plan.order[::step], SAMPLE)]
        found = list(sample_most(sources, build_tools(plan)))
        failures = [result for result in found if isinstance(result, Failure)]
        if 2 * len(failures) > len(found):
            raise MaskSearchError(
                f"{len(failures)} of the {len(found)} passages tried failed ({failures[0].reason}); "
                "fix the cause and start the same command again."
            )
        write_json(path, tilted(wanted, (result for result in found if not isinstance(result, Failure))))
    return {int(k): float(share) for k, share in json.loads(path.read_text(encoding="utf-8")).items()}
