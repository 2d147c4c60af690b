"""Documents into verified tasks. What becomes of a document depends on the document and the settings alone.

Every choice is drawn from a generator seeded by the run's seed and the id of the document or passage, so one process, many, or a
cluster write the same tasks. Documents are worked many at a time only because models, searches and endpoints are quicker so.

for each passage of a document, in a seeded order, until it has given its tasks:
    excluded or a near-copy?  ->  salient spans  ->  which may be masked  ->  how many  ->  which  ->  does a search find them?  ->  task
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from masksearch.corpus import side_of
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.masking.draw import Preference
from masksearch.ramp.masking.mask_counts import Shares, draw_count
from masksearch.ramp.masking.rules import mask_passage, most_masks, too_short, usable_spans
from masksearch.ramp.masking.strategies import Strategy
from masksearch.ramp.run.tally import MaskStats
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Extractor, Failure, dropped_spans, extract_spans
from masksearch.types import MASK, MaskedTask, Passage, Span


@dataclass(frozen=True)
class Source:
    """A document as it comes to be worked: its passages."""

    id: str
    passages: Sequence[Passage]
    copies: frozenset[int] = frozenset()
    """Which of the passages (from 0) are near-copies of others met before."""


@dataclass(frozen=True)
class Candidate:
    """A task that is still to be checked, with what it was made of."""

    task: MaskedTask
    passage: Passage
    spans: tuple[Span, ...]
    """All that were found in the passage, usable or not."""


Check = Callable[[Sequence[Candidate]], Sequence[Verdict | Failure]]
"""Judges tasks. One that does not pass drops its task; a Failure sets the document aside."""


@dataclass(frozen=True)
class Tools:
    """What a process needs to make tasks."""

    settings: MaskSettings
    shares: Shares
    extractors: Sequence[Extractor]
    strategy: Strategy
    checks: Sequence[tuple[str, Check]] = ()
    """In the order they are made: the cheap ones first."""
    excluded: Callable[[Passage], str] = lambda passage: ""
    """Why a passage must not be used, or ""."""
    retriever: str = ""

    @property
    def rules(self) -> tuple[str, ...]:
        """The checks that decide whether a span may be masked at all."""
        return tuple(name for name in self.settings.verify if name in ("unique", "not-inferable"))


@dataclass
class Worked:
    """What came of some documents."""

    tasks: list[MaskedTask] = field(default_factory=list)
    """In the order of the documents."""
    rejects: dict[str, str] = field(default_factory=dict)
    """Document id -> why it was set aside."""
    stats: MaskStats = field(default_factory=MaskStats)


class _Document:
    """A document while it is worked."""

    def __init__(self, source: Source, settings: MaskSettings) -> None:
        self.source, self.wanted = source, settings.tasks_per_document
        self.waiting = list(range(len(source.passages)))
        Random(f"{settings.seed}:{source.id}").shuffle(self.waiting)
        self.waiting.reverse()  # taken from the end
        self.tasks: list[MaskedTask] = []
        self.stats = MaskStats(documents=1)
        self.fault = ""

    def take(self) -> list[Passage]:
        """The next passages to be tried; near-copies are counted and passed over."""
        taken: list[Passage] = []
        while self.waiting and not self.fault and len(taken) < self.wanted - len(self.tasks):
            place = self.waiting.pop()
            self.stats.passages += 1
            if place in self.source.copies:
                self.stats.dropped["near-copy of another"] += 1
            else:
                taken.append(self.source.passages[place])
        return taken


def work(sources: Sequence[Source], tools: Tools) -> Worked:
    """All tasks of some documents. A pure function of each document (models and endpoints aside)."""
    settings = tools.settings
    documents = [_Document(source, settings) for source in sources if _on_side(source, settings)]
    before = dropped_spans(tools.extractors)
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
    return done


def sample_most(sources: Sequence[Source], tools: Tools) -> Iterator[int | Failure]:
    """How many masks the first passage of each document would allow: what the shares are tilted by. A Failure where that cannot be told."""
    firsts = [
        document.take()
        for document in (_Document(source, tools.settings) for source in sources)
        if _on_side(document.source, tools.settings)
    ]
    passages = [taken[0] for taken in firsts if taken]
    for passage, spans in zip(
        passages, extract_spans(passages, tools.extractors, tools.settings.language), strict=True
    ):
        yield (
            spans
            if isinstance(spans, Failure)
            else most_masks(passage, usable_spans(passage, spans, checks=tools.rules))
        )


def _on_side(source: Source, settings: MaskSettings) -> bool:
    return bool(source.passages) and settings.split in (
        "all",
        side_of(source.passages[0].title, settings.heldout_share),
    )


Item = tuple[_Document, Passage]


def _make(batch: Sequence[Item], tools: Tools) -> None:
    """Tries one passage or more of each document and gives the documents their tasks."""
    eligible = [item for item in batch if not _dismissed(*item, tools)]
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


def _dismissed(document: _Document, passage: Passage, tools: Tools) -> bool:
    """Whether a passage is not to be used at all; counted."""
    reason = tools.excluded(passage)
    if reason:
        document.stats.dropped[reason] += 1
    return bool(reason)


@dataclass(frozen=True)
class _Drawn:
    """A passage that allows masks: the spans found, those that may be masked, and how many of them are to be."""

    document: _Document
    passage: Passage
    found: Sequence[Span]
    usable: Sequence[Span]
    k: int
    rng: Random


def _draw(items: Sequence[Item], tools: Tools) -> list[_Drawn]:
    """The passages that allow masks."""
    drawn: list[_Drawn] = []
    for (document, passage), spans in zip(
        items,
        extract_spans([passage for _, passage in items], tools.extractors, tools.settings.language),
        strict=True,
    ):
        if isinstance(spans, Failure):
            document.fault = document.fault or spans.reason
            continue
        usable = usable_spans(passage, spans, document.stats.spans_refused, checks=tools.rules)
        rng = Random(f"{tools.settings.seed}:{passage.id}")
        k = draw_count(tools.shares, most_masks(passage, usable), rng)
        if k is None:
            document.stats.dropped[_too_few(passage, usable)] += 1
        else:
            drawn.append(_Drawn(document, passage, spans, usable, k, rng))
    return drawn


def _candidate(drawn: _Drawn, preference: Preference, tools: Tools) -> Candidate | None:
    task = mask_passage(drawn.passage, drawn.usable, drawn.k, drawn.rng, preference)
    if task is None:
        return None
    known = {
        "strategy": tools.strategy.name,
        "retriever": tools.retriever,
        "source_hidden": tools.settings.hide_source,
        "verdicts": {rule: {"passed": True} for rule in tools.rules},
    }
    return Candidate(task.model_copy(update=known), drawn.passage, tuple(drawn.found))


def _checked(
    documents: Sequence[_Document], candidates: Sequence[Candidate], tools: Tools
) -> Iterator[tuple[_Document, MaskedTask]]:
    """The tasks that pass every check, each with its verdicts."""
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
    task = candidate.task
    changes: dict[str, Any] = {"verdicts": {**task.verdicts, name: {"passed": True, **verdict.data}}}
    if "ranks" in verdict.data:
        changes["ranks"] = tuple(verdict.data["ranks"])
    return replace(candidate, task=task.model_copy(update=changes))


def _count(stats: MaskStats, name: str, task: MaskedTask, verdict: Verdict) -> None:
    """The figures of the search for evidence, and how far each mask came where the source was hidden."""
    if name in ("retrievable", "elsewhere"):
        stats.verified += 1
        stats.found += verdict.passed
    for category, test in verdict.survived:
        stats.survival[f"{category}: {test}"] += 1


def _too_few(passage: Passage, spans: Sequence[Span]) -> str:
    if MASK in passage.text or MASK in passage.title:
        return f"contains {MASK}"
    if too_short(passage):
        return "too short"
    return "fewer spans than masks" if spans else "no span that may be masked"
