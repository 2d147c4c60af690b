"""Makes verified tasks from documents. A document's tasks depend only on the document and the settings.

Every random choice comes from a generator seeded by the run's seed and the id of the document or passage,
so one process, many processes and a cluster write the same tasks. Documents are processed in batches
because models, searches and endpoints are faster on batches; the batch does not change the tasks.

For each passage of a document, in a seeded order, until the document has `tasks_per_document` tasks (if
this is set):

    skip excluded passages and near-copies -> find salient spans -> keep spans that may be masked
    -> draw the number of masks -> choose the spans -> run the checks -> task
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from masksearch.corpus import document_side
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.masking.draw import Preference
from masksearch.ramp.masking.mask_counts import Shares, draw_count
from masksearch.ramp.masking.rules import RULES, mask_passage, most_masks, too_short, usable_spans
from masksearch.ramp.masking.strategies import Strategy
from masksearch.ramp.run.tally import MaskStats
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import (
    Extractor,
    Failure,
    dropped_spans,
    extract_spans,
    filled_passages,
)
from masksearch.types import MASK, MaskedTask, Passage, Span

AT_ONCE = 32
"""Most passages of one document in a batch, so that a batch of long documents fits into memory."""


@dataclass(frozen=True)
class Source:
    """A document with its passages, from which tasks are made."""

    id: str
    passages: Sequence[Passage]
    copies: frozenset[int] = frozenset()
    """Indices (from 0) of the passages that are near-copies of earlier passages."""
    turn: tuple[int, int | None] = (0, None)
    """The part of the passages to try: start and end in the seeded order (see `Plan.rounds`)."""


@dataclass(frozen=True)
class Candidate:
    """A task before the checks, with its source passage."""

    task: MaskedTask
    passage: Passage
    spans: tuple[Span, ...]
    """All spans found in the passage, masked or not (offsets in its text without the title)."""


Check = Callable[[Sequence[Candidate]], Sequence[Verdict | Failure]]
"""Judges candidates and returns one result for each candidate. A verdict that did not pass drops the
task. After a Failure the whole document is set aside, and a later run retries it."""


@dataclass(frozen=True)
class Tools:
    """The settings, extractors, strategy and checks with which a process makes tasks."""

    settings: MaskSettings
    shares: Shares
    extractors: Sequence[Extractor]
    strategy: Strategy
    checks: Sequence[tuple[str, Check]] = ()
    """(name, check) in the order in which they run, cheap checks first."""
    excluded: Callable[[Passage], str] = lambda passage: ""
    """Returns the reason why a passage must not be used, or an empty string."""
    common: Collection[str] = ()
    """Titles of the corpus that name no article, because many documents have them."""
    retriever: str = ""
    """Fingerprint of the search that verifies the tasks; empty without a search."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The checks of `settings.verify` that are rules of masking (see `masking/rules.py`)."""
        return tuple(name for name in self.settings.verify if name in RULES)


@dataclass
class Worked:
    """The tasks, rejects and counts of a batch of documents."""

    tasks: list[MaskedTask] = field(default_factory=list)
    """Tasks in the order of the documents."""
    rejects: dict[str, str] = field(default_factory=dict)
    """Document id -> reason why the document was set aside."""
    stats: MaskStats = field(default_factory=MaskStats)


class _Document:
    """The state of a document while its tasks are made: passages still to try, tasks so far, and counts."""

    def __init__(self, source: Source, settings: MaskSettings) -> None:
        self.source = source
        order = list(range(len(source.passages)))
        if len(order) > 1:  # a seed costs more than a short document's spans
            Random(f"{settings.seed}:{source.id}").shuffle(order)
        self.waiting = order[slice(*source.turn)]
        self.waiting.reverse()  # `take` pops passages from the end of the list
        self.wanted = settings.tasks_per_document or len(self.waiting)
        self.tasks: list[MaskedTask] = []
        self.stats = MaskStats(documents=0 if source.turn[0] else 1)
        self.fault = ""

    def take(self, most: int = AT_ONCE) -> list[Passage]:
        """Returns the next passages to try: one for each task that the document still needs, at most `most`.

        Skips near-copies and counts them.
        """
        taken: list[Passage] = []
        needed = min(self.wanted - len(self.tasks), most)
        while self.waiting and not self.fault and len(taken) < needed:
            place = self.waiting.pop()
            self.stats.passages += 1
            if place in self.source.copies:
                self.stats.dropped["near-copy of another"] += 1
            else:
                taken.append(self.source.passages[place])
        return taken


def work(sources: Sequence[Source], tools: Tools) -> Worked:
    """Makes all tasks of a batch of documents.

    The tasks of a document depend on this document and the settings only, except for what endpoints reply.
    """
    settings = tools.settings
    documents = [_Document(source, settings) for source in sources if _on_side(source, tools)]
    before, filled = dropped_spans(tools.extractors), filled_passages(tools.extractors)
    while batch := [(document, passage) for document in documents for passage in document.take()]:
        _make(batch, tools)
    done = Worked()
    for document in documents:
        if document.fault:
            done.rejects[document.source.id] = document.fault
            done.stats.set_aside += 1
            continue
        done.tasks += document.tasks
        done.stats.merge(document.stats)
    done.stats.spans_dropped.update(dropped_spans(tools.extractors) - before)
    done.stats.filled = filled_passages(tools.extractors) - filled
    return done


def sample_most(sources: Sequence[Source], tools: Tools) -> Iterator[int | Failure]:
    """Yields, per document, the most masks that its first passage allows, or the Failure of an extractor.

    `mask_counts.tilted` uses these numbers to choose the shares with which mask counts are drawn.
    """
    settings = tools.settings
    documents = [_Document(source, settings) for source in sources if _on_side(source, tools)]
    passages = [taken[0] for document in documents if (taken := document.take(1))]
    found = extract_spans(passages, tools.extractors, settings.language, settings.code)
    for passage, spans in zip(passages, found, strict=True):
        if isinstance(spans, Failure):
            yield spans
        else:
            yield most_masks(passage, usable_spans(passage, spans, checks=tools.rules))


def _on_side(source: Source, tools: Tools) -> bool:
    """Whether a document has passages and belongs to `settings.split` (train, heldout or all)."""
    settings = tools.settings
    if not source.passages:
        return False
    first = source.passages[0]
    side = document_side(first.doc_id, first.title, settings.heldout_share, tools.common)
    return settings.split in ("all", side)


Item = tuple[_Document, Passage]


def _make(batch: Sequence[Item], tools: Tools) -> None:
    """Tries to make one task from each passage of the batch and adds the task to the passage's document."""
    eligible = [item for item in batch if not _is_excluded(*item, tools)]
    drawn = _draw(eligible, tools)
    preferences = tools.strategy.prefer([(draw.passage, draw.usable) for draw in drawn])
    owners: list[_Document] = []
    candidates: list[Candidate] = []
    for draw, preference in zip(drawn, preferences, strict=True):
        candidate = _candidate(draw, preference, tools)
        if candidate is None:
            draw.document.stats.dropped["too short"] += 1
            continue
        owners.append(draw.document)
        candidates.append(candidate)
    for document, task in _checked(owners, candidates, tools):
        document.tasks.append(task)
        document.stats.add_task(task.to_json())


def _is_excluded(document: _Document, passage: Passage, tools: Tools) -> bool:
    """Whether a passage must not be used; if so, counts the reason in the document's counts."""
    reason = tools.excluded(passage)
    if reason:
        document.stats.dropped[reason] += 1
    return bool(reason)


@dataclass(frozen=True)
class _Drawn:
    """A passage with its found spans, its usable spans, and the number of masks `k` drawn for it."""

    document: _Document
    passage: Passage
    found: Sequence[Span]
    usable: Sequence[Span]
    k: int
    rng: Random


def _draw(items: Sequence[Item], tools: Tools) -> list[_Drawn]:
    """Finds the usable spans and draws the number of masks of each passage.

    A passage that allows none of the wanted numbers of masks is dropped.
    """
    drawn: list[_Drawn] = []
    passages = [passage for _, passage in items]
    found = extract_spans(passages, tools.extractors, tools.settings.language, tools.settings.code)
    for (document, passage), spans in zip(items, found, strict=True):
        if isinstance(spans, Failure):
            document.fault = document.fault or spans.reason
            continue
        usable = usable_spans(passage, spans, document.stats.spans_refused, checks=tools.rules)
        if usable:
            rng = Random(f"{tools.settings.seed}:{passage.id}")
            k = draw_count(tools.shares, most_masks(passage, usable), rng)
            if k is not None:
                drawn.append(_Drawn(document, passage, spans, usable, k, rng))
                continue
        document.stats.dropped[_why_no_masks(passage, usable)] += 1
    return drawn


def _candidate(drawn: _Drawn, preference: Preference, tools: Tools) -> Candidate | None:
    """Masks a passage; returns None if too little visible text would remain."""
    task = mask_passage(drawn.passage, drawn.usable, drawn.k, drawn.rng, preference)
    if task is None:
        return None
    fields = {
        "strategy": tools.strategy.name,
        "retriever": tools.retriever,
        "source_hidden": tools.settings.hide_source,
        "verdicts": {rule: {"passed": True} for rule in tools.rules},
    }
    return Candidate(task.model_copy(update=fields), drawn.passage, tuple(drawn.found))


def _checked(
    documents: Sequence[_Document], candidates: Sequence[Candidate], tools: Tools
) -> Iterator[tuple[_Document, MaskedTask]]:
    """Runs the checks in order and yields the tasks that pass all of them, with their verdicts."""
    left = list(zip(documents, candidates, strict=True))
    for name, check in tools.checks:
        passed = []
        verdicts = check([candidate for _, candidate in left])
        for (document, candidate), verdict in zip(left, verdicts, strict=True):
            if isinstance(verdict, Failure):
                document.fault = document.fault or verdict.reason
                continue
            _count(document.stats, name, candidate.task, verdict)
            if verdict.passed:
                passed.append((document, _with_verdict(candidate, name, verdict)))
            else:
                document.stats.dropped[verdict.reason or name] += 1
        left = passed
    for document, candidate in left:
        yield document, candidate.task


def _with_verdict(candidate: Candidate, name: str, verdict: Verdict) -> Candidate:
    """Returns the candidate with a passed check recorded on its task."""
    task = candidate.task
    changes: dict[str, Any] = {"verdicts": {**task.verdicts, name: {"passed": True, **verdict.data}}}
    if "ranks" in verdict.data:
        changes["ranks"] = tuple(verdict.data["ranks"])
    return replace(candidate, task=task.model_copy(update=changes))


def _count(stats: MaskStats, name: str, task: MaskedTask, verdict: Verdict) -> None:
    """Counts whether a check that searches found evidence.

    For the check `elsewhere`, also counts the tests that each mask passed.
    """
    if name in ("retrievable", "elsewhere"):
        stats.verified += 1
        stats.found += verdict.passed
    for category, test in verdict.survived:
        stats.survival[f"{category}: {test}"] += 1


def _why_no_masks(passage: Passage, spans: Sequence[Span]) -> str:
    """Returns the reason why a passage allows none of the wanted numbers of masks."""
    if MASK in passage.text or MASK in passage.title:
        return f"contains {MASK}"
    if too_short(passage):
        return "too short"
    return "fewer spans than masks" if spans else "no span that may be masked"
