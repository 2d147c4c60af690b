"""What the stage `mask` does before its shards are worked: settings checked, the text laid out, near-copies marked, an order drawn, shares fitted.

Every step leaves its outcome in the work folder and is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from masksearch.corpus import SkipCount, corpus_hash, cut_all, read_documents
from masksearch.corpus.packaged import DEFAULT_CORPUS
from masksearch.corpus.source_hash import source_hash
from masksearch.errors import MaskSearchError, SearchError, UsageError
from masksearch.ramp.checks.contamination import Decontaminator
from masksearch.ramp.checks.guessable import make_guesser
from masksearch.ramp.generate import sample_most
from masksearch.ramp.masking.mask_counts import tilted
from masksearch.ramp.masking.strategies import make_strategy
from masksearch.ramp.run.plan import COPIES, ORDER, Plan, build_tools
from masksearch.ramp.run.product import is_folder_product
from masksearch.ramp.run.shard_workers import check_ray
from masksearch.ramp.run.shards import shard_folder
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure, make_extractors
from masksearch.runtime.files import atomic_path, hash_json, remove, write_json, write_text
from masksearch.runtime.progress import Progress, say
from masksearch.runtime.records import check_parquet
from masksearch.search import build_index, load
from masksearch.search.index.storage import write_passages
from masksearch.search.settings import IndexSettings


def check_effect(settings: MaskSettings) -> None:
    """Raises UsageError for the first setting that nothing would look at."""
    asks_endpoint = "llm" in settings.extractors or (
        "not-guessable" in settings.verify and settings.guess_model.startswith("openai:")
    )
    needs = {
        "category_weights": (settings.strategy == "weighted", "the strategy 'weighted'"),
        "ppl_model": (settings.strategy == "ppl", "the strategy 'ppl'"),
        "ner_model": ("ner" in settings.extractors, "the extractor 'ner'"),
        "llm_model": ("llm" in settings.extractors, "the extractor 'llm'"),
        "llm": (asks_endpoint, "the extractor 'llm', or the check 'not-guessable' with a model openai:NAME"),
        "guess_model": ("not-guessable" in settings.verify, "the check 'not-guessable'"),
    }
    for name, (used, need) in needs.items():
        if getattr(settings, name) and not used:
            raise UsageError(f"{name} has no effect without {need}; add that, or leave {name} out.")


REJECTS, SHARES, KEY = "rejects.jsonl", "shares.json", "settings.key"
RESUMED: Final = ("shards", "corpus", "index", ORDER, COPIES, REJECTS, SHARES)
"""What lies in the work folder only so that a run can go on."""
SAMPLE = 256
"""Passages the shares of the mask counts are fitted to."""
LEAST_SHARD = 100


def with_corpus(settings: MaskSettings) -> MaskSettings:
    """The settings with the corpus named: where none is, that of the index, or the packaged summaries."""
    if settings.corpus:
        return settings
    named = load(settings.index).manifest["corpus"] if settings.index else DEFAULT_CORPUS
    return settings.model_copy(update={"corpus": named})


def forget_other_work(settings: MaskSettings, work: Path) -> None:
    """Clears what an earlier run with other settings has left in `work`; how the work is done does not count."""
    key = hash_json(settings.model_dump(mode="json", exclude={"workers", "engine", "concurrency"}))
    path = work / KEY
    if path.exists() and path.read_text(encoding="utf-8").strip() == key:
        return
    _clear(work, RESUMED)
    write_text(path, key + "\n")


def check_early(settings: MaskSettings, output: Path) -> None:
    """Meets wrong settings, bad files and missing extras before any work is done. Raises what each of them raises."""
    check_effect(settings)
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
    side = {"all": 1.0, "train": 1 - settings.heldout_share, "heldout": settings.heldout_share}[
        settings.split
    ]
    return min(settings.shard_size, max(LEAST_SHARD, round(settings.limit / side)))


def _store(settings: MaskSettings, work: Path) -> tuple[Path, bool]:
    """The folder with the passages, and whether it is an index to search."""
    searches = "retrievable" in settings.verify or settings.hide_source
    if settings.index:
        return Path(settings.index), searches
    folder = work / ("index" if searches else "corpus")
    wanted = IndexSettings(
        corpus=settings.corpus,
        max_words=settings.max_words,
        language=settings.language,
        workers=settings.workers,
    )
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
                for document in read_documents(
                    settings.corpus, None, skipped, settings.language, settings.workers
                ):
                    bar.step()
                    yield document

            write_passages(temporary, cut_all(counted(), settings.max_words))
    if skipped.total:
        say(skipped.table())


def check_same_text(settings: MaskSettings) -> None:
    """Raises SearchError where the index holds another text than the corpus."""
    searcher = load(settings.index)
    known = searcher.manifest.get("source_hash")
    if known and known == source_hash(settings.corpus):
        return
    wanted = searcher.settings.model_copy(update={"corpus": settings.corpus})
    if (
        corpus_hash(
            cut_all(read_documents(wanted.corpus, wanted.limit, None, wanted.language), wanted.max_words)
        )
        != searcher.manifest["corpus_hash"]
    ):
        raise SearchError(
            f"The index {settings.index} was built from another corpus ({searcher.manifest['corpus']}) than {settings.corpus}, or the text has changed since; "
            f"build it again with: masksearch index {settings.corpus} -o {settings.index}."
        )


def tidy(work: Path) -> None:
    """Removes what only served to resume."""
    _clear(work, (*RESUMED, KEY))


def _clear(work: Path, names: Iterable[str]) -> None:
    """Removes files and folders; renamed first, for a kill must not leave half a folder that is taken for a whole one."""
    for name in names:
        if (work / name).exists():
            doomed = work / f".{name}.done.tmp"
            remove(doomed)
            (work / name).rename(doomed)
            remove(doomed)


def _mark_copies(plan: Plan) -> None:
    from masksearch.ramp.checks.duplicates import find_duplicates

    if plan.settings.near_duplicates and not (plan.work / COPIES).exists():
        _save(
            plan.work / COPIES,
            find_duplicates(plan.passages, plan.settings.near_duplicates, plan.work, plan.settings.workers),
        )


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
