"""The plan of a run, which can be sent to a worker process, and the tools that the process builds from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from masksearch.errors import UsageError
from masksearch.ramp.checks.contamination import Decontaminator
from masksearch.ramp.checks.elsewhere import CountingSearcher, verify_elsewhere
from masksearch.ramp.checks.guessable import make_guesser
from masksearch.ramp.checks.retrievable import verify_retrievable
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.generate import Candidate, Check, Source, Tools
from masksearch.ramp.masking.mask_counts import wanted_shares
from masksearch.ramp.masking.strategies import make_strategy
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure, make_extractors
from masksearch.search import LocalSearcher, load
from masksearch.search.index.storage import StoredPassages, common_titles

if TYPE_CHECKING:
    from masksearch.types import Passage

ORDER, COPIES = "order.npy", "copies.npy"


@dataclass(frozen=True)
class Plan:
    """The passages of a run and their division into shards. A plan is small and picklable."""

    settings: MaskSettings
    store: Path
    """Folder with the passages: an index, or stored passages that cannot be searched."""
    work: Path
    """Work folder of the run, with the order of the documents and the flags of near-copies."""
    shares: Mapping[int, float]
    """Number of masks -> share with which this number is drawn (see `mask_counts.tilted`)."""
    searches: bool
    """Whether `store` is an index that verifies tasks."""
    shard_size: int
    """Number of documents per shard."""

    @cached_property
    def passages(self) -> StoredPassages:
        """All passages, read from disk one at a time."""
        return StoredPassages(self.store)

    @cached_property
    def order(self) -> npt.NDArray[np.int64] | range:
        """(documents,): the number of each document in the corpus, in the order of processing."""
        path = self.work / ORDER
        return np.load(path, mmap_mode="r") if path.exists() else range(len(self.passages.document_starts))

    @cached_property
    def copies(self) -> npt.NDArray[np.bool_] | None:
        """(passages,): True for each near-copy; None if the run keeps near-copies."""
        path = self.work / COPIES
        return np.load(path, mmap_mode="r") if path.exists() else None

    def close(self) -> None:
        """Closes the files. A later use opens them again."""
        passages = self.__dict__.pop("passages", None)
        if passages is not None:
            passages.close()
        for name in ("order", "copies", "rounds"):
            self.__dict__.pop(name, None)

    @property
    def shards(self) -> int:
        """Number of shards in a round."""
        return -(-len(self.order) // self.shard_size)

    @cached_property
    def rounds(self) -> int:
        """Number of rounds over the documents: 1, or as many as it takes to try every passage.

        With a limit and no `tasks_per_document`, round r tries 2^r passages of each document, so that the
        tasks come from as many documents as the limit allows. Each round has its own shards.
        """
        if self.settings.limit is None or self.settings.tasks_per_document is not None:
            return 1
        starts = self.passages.document_starts
        return int(np.diff(starts, append=len(self.passages)).max(initial=0)).bit_length() or 1

    def sources(self, shard: int) -> list[Source]:
        """Returns the documents of one shard; of a later round, those with passages not tried before."""
        turn, shard = divmod(shard, self.shards)
        chosen = self.order[shard * self.shard_size : (shard + 1) * self.shard_size]
        sources = [self.source(int(document)) for document in chosen]
        if self.rounds == 1:
            return sources
        start, end = 2**turn - 1, 2 ** (turn + 1) - 1
        return [replace(source, turn=(start, end)) for source in sources if len(source.passages) > start]

    def source(self, document: int) -> Source:
        """Returns one document by number."""
        starts = self.passages.document_starts
        end = int(starts[document + 1]) if document + 1 < len(starts) else len(self.passages)
        rows = range(int(starts[document]), end)
        copies = self.copies
        marked = frozenset(place for place, row in enumerate(rows) if copies is not None and copies[row])
        return Source(self.passages[rows[0]].doc_id, _Stored(self.passages, rows), marked)

    def __getstate__(self) -> dict[str, object]:
        """Pickles the plan without its open files, which the other process opens again."""
        files = ("passages", "order", "copies")
        return {name: value for name, value in self.__dict__.items() if name not in files}


class _Stored(Sequence["Passage"]):
    """The passages of one document, read from disk on access, since a book may need only a few of them."""

    def __init__(self, passages: StoredPassages, rows: range) -> None:
        self._passages, self._rows = passages, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Passage: ...

    @overload
    def __getitem__(self, index: slice) -> list[Passage]: ...

    def __getitem__(self, index: int | slice) -> Passage | list[Passage]:
        rows = self._rows[index]
        return self._passages[rows] if isinstance(rows, int) else [self._passages[row] for row in rows]


def build_tools(plan: Plan) -> Tools:
    """Loads what a process needs to make tasks: models, the index, and the titles and texts to exclude."""
    settings = plan.settings
    searcher = load(plan.store) if plan.searches else None
    return Tools(
        settings=settings,
        shares=plan.shares or wanted_shares(settings),
        extractors=make_extractors(settings),
        strategy=make_strategy(settings),
        checks=_checks(settings, searcher),
        excluded=excluded_passages(settings, common_titles(plan.store)),
        common=common_titles(plan.store),
        retriever=searcher.fingerprint if searcher else "",
    )


def excluded_passages(settings: MaskSettings, common: Collection[str]) -> Callable[[Passage], str]:
    """Returns a function from a passage to the reason for excluding it, or to an empty string.

    `common` holds the titles of the corpus that name no article.
    """
    if not (settings.exclude or settings.exclude_corpus):
        return lambda passage: ""
    return Decontaminator.from_files(
        settings.exclude, settings.exclude_corpus, settings.exclude_ngram, common
    )


def _checks(settings: MaskSettings, searcher: LocalSearcher | None) -> list[tuple[str, Check]]:
    """Builds the checks of the settings in the order in which they run, cheap checks first."""
    checks: list[tuple[str, Check]] = []
    if searcher is not None:
        if settings.hide_source:
            if not isinstance(searcher, CountingSearcher):
                raise UsageError(
                    "--hide-source needs an index with word frequencies; "
                    "use an index of the kind bm25 or hybrid."
                )
            checks.append(("elsewhere", _Elsewhere(searcher, settings.retrieve_k)))
        else:
            checks.append(("retrievable", _Retrievable(searcher, settings.retrieve_k)))
    if "not-guessable" in settings.verify:
        guesser = make_guesser(settings)
        checks.append(
            ("not-guessable", lambda candidates: guesser.check([candidate.task for candidate in candidates]))
        )
    return checks


@dataclass(frozen=True)
class _Retrievable:
    """The check `retrievable` with the search that it uses, as a `Check`."""

    searcher: LocalSearcher
    k: int

    def __call__(self, candidates: Sequence[Candidate]) -> Sequence[Verdict | Failure]:
        return verify_retrievable([candidate.task for candidate in candidates], self.searcher, self.k)


@dataclass(frozen=True)
class _Elsewhere:
    """The check `elsewhere` with the search that it uses, as a `Check`."""

    searcher: CountingSearcher
    k: int

    def __call__(self, candidates: Sequence[Candidate]) -> Sequence[Verdict | Failure]:
        tasks = [candidate.task for candidate in candidates]
        return verify_elsewhere(
            tasks,
            [candidate.passage for candidate in candidates],
            [candidate.spans for candidate in candidates],
            self.searcher,
            self.k,
        )
