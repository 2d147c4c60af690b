"""Passages into verified tasks, with mask counts spread as asked (the paper: 0 < k < 5; its released data is mostly k = 4).

What becomes of a passage depends on its own generator, seeded by (seed, passage id), and on the counts so far; so the same passages in
the same order give the same tasks. Each passage gets the k that is lacking most among those it allows. With a limit every k has its
quota: a passage that only serves a full one is put aside, and used at the end only if the text runs out.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from masksearch.corpus import normal_title, side_of
from masksearch.errors import UsageError
from masksearch.protocols import Searcher
from masksearch.ramp.masks import SHORTEST, mask_passage, most_masks, usable_spans
from masksearch.ramp.spans import extract_spans
from masksearch.ramp.verify import verify
from masksearch.settings import MaskSettings, mask_range
from masksearch.types import MASK, MaskedTask, Passage, Span

BATCH = 64
"""Passages whose spans are found at a time: small enough to stop soon after the limit is reached."""


@dataclass
class MaskStats:
    """What became of the passages."""

    passages: int = 0
    """Looked at."""
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Reason -> passages."""
    masks: Counter[int] = field(default_factory=Counter)
    """k -> tasks."""
    categories: Counter[str] = field(default_factory=Counter)
    spans_refused: Counter[str] = field(default_factory=Counter)
    """Reason -> spans that were found and may not be masked."""
    ranks: Counter[int] = field(default_factory=Counter)
    """Rank of the evidence -> masks."""

    def summary(self) -> dict[str, Any]:
        """As plain JSON."""
        lost = sum(self.dropped.values())
        verified = self.kept + self.dropped["not retrievable"]
        return {
            "passages_seen": self.passages,
            "tasks": self.kept,
            "dropped": dict(self.dropped.most_common()),
            "share_dropped": round(lost / self.passages, 4) if self.passages else 0.0,
            "retrievable": round(self.kept / verified, 4) if verified else 0.0,
            "masks": {str(k): self.masks[k] for k in sorted(self.masks)},
            "spans_refused": dict(self.spans_refused.most_common()),
            "categories": dict(self.categories.most_common()),
            "evidence_ranks": {str(rank): self.ranks[rank] for rank in sorted(self.ranks)},
        }


def select(passages: Sequence[Passage], settings: MaskSettings, excluded: Iterable[str] = ()) -> list[Passage]:
    """The passages tasks may be made of, in a seeded order: on the right side of the split, not of an excluded document (id or title)."""
    banned = {normal_title(name) for name in excluded}
    chosen = [
        passage
        for passage in passages
        if settings.split in ("all", side_of(passage.title, settings.heldout_share))
        and not (banned and (normal_title(passage.title) in banned or normal_title(passage.doc_id) in banned))
    ]
    Random(f"{settings.seed}:order").shuffle(chosen)
    return chosen


class _Quotas:
    """Which k is lacking most."""

    def __init__(self, settings: MaskSettings) -> None:
        low, high = mask_range(settings.masks)
        ks = range(low, high + 1)
        weights = settings.weights or (1.0,) * len(ks)
        if len(weights) != len(ks) or min(weights) < 0 or sum(weights) <= 0:
            raise UsageError(f"'weights' must be {len(ks)} shares, one for each number of masks in {settings.masks}, not all 0; it is {list(weights)}.")
        self.shares = {k: weight / sum(weights) for k, weight in zip(ks, weights, strict=True) if weight > 0}
        self.least = min(self.shares)
        self.left = _apportion(self.shares, settings.limit) if settings.limit else None

    def choose(self, most: int, counts: Counter[int], rng: Random) -> int | None:
        """The k to give a passage that allows up to `most`; None where it serves none that is wanted."""
        wanted = [k for k in self.shares if k <= most and (self.left is None or counts[k] < self.left[k])]
        rng.shuffle(wanted)
        return min(wanted, key=lambda k: counts[k] / self.shares[k], default=None)


def _apportion(shares: dict[int, float], total: int) -> dict[int, int]:
    """Whole numbers in these shares that add up to `total` (largest remainders)."""
    quotas = {k: int(share * total) for k, share in shares.items()}
    rest = sorted(shares, key=lambda k: (quotas[k] - shares[k] * total, k))
    for k in itertools.islice(itertools.cycle(rest), total - sum(quotas.values())):
        quotas[k] += 1
    return quotas


def make_tasks(passages: Iterable[Passage], searcher: Searcher, settings: MaskSettings, stats: MaskStats | None = None) -> Iterator[MaskedTask]:
    """Verified tasks from passages, in their order, until `settings.limit`; `stats` is filled as they come. Pass `select`ed passages."""
    stats = MaskStats() if stats is None else stats
    quotas = _Quotas(settings)
    per_document: Counter[str] = Counter()
    put_aside: list[tuple[Passage, list[Span]]] = []

    def attempt(passage: Passage, spans: list[Span]) -> MaskedTask | None:
        rng = Random(f"{settings.seed}:{passage.id}")
        most = most_masks(passage, spans)
        if most < quotas.least:
            stats.dropped[_too_few(passage, spans)] += 1
            return None
        k = quotas.choose(most, stats.masks, rng)
        if k is None:
            put_aside.append((passage, spans))
            return None
        return _task(passage, spans, k, rng, searcher, settings, stats)

    def count(task: MaskedTask) -> MaskedTask:
        per_document[task.doc_id] += 1
        stats.kept += 1
        stats.masks[task.masks] += 1
        stats.categories.update(task.categories)
        stats.ranks.update(task.ranks)
        return task

    wanted = (passage for passage in passages if per_document[passage.doc_id] < settings.tasks_per_document)
    for passage, spans in _with_spans(wanted, settings, stats):
        if per_document[passage.doc_id] >= settings.tasks_per_document:
            continue  # another passage of the same batch was first
        if settings.limit is not None and stats.kept >= settings.limit:
            break
        stats.passages += 1
        task = attempt(passage, spans)
        if task:
            yield count(task)
    quotas.left = None  # the text ran out: take what is there
    for passage, spans in put_aside:
        if settings.limit is not None and stats.kept >= settings.limit:
            stats.dropped["only for a number of masks that was full"] += 1
        elif per_document[passage.doc_id] < settings.tasks_per_document and (task := attempt(passage, spans)):
            yield count(task)


def _task(passage: Passage, spans: list[Span], k: int, rng: Random, searcher: Searcher, settings: MaskSettings, stats: MaskStats) -> MaskedTask | None:
    """One task, if its masks can be filled by searching."""
    task = mask_passage(passage, spans, k, rng)
    if task is None:
        stats.dropped["too short"] += 1
        return None
    ranks = verify(task, searcher, settings.retrieve_k)
    if ranks is None:
        stats.dropped["not retrievable"] += 1
        return None
    return task.model_copy(update={"ranks": ranks, "retriever": searcher.fingerprint})


def _too_few(passage: Passage, spans: Sequence[Span]) -> str:
    if MASK in passage.text or MASK in passage.title:
        return f"contains {MASK}"
    if len(passage.text.split()) < SHORTEST:
        return "too short"
    return "fewer spans than masks" if spans else "no span that may be masked"


def _with_spans(passages: Iterable[Passage], settings: MaskSettings, stats: MaskStats) -> Iterator[tuple[Passage, list[Span]]]:
    """Passages with their usable spans, a batch at a time."""
    iterator = iter(passages)
    while batch := list(itertools.islice(iterator, BATCH)):
        found = extract_spans([passage.text for passage in batch], settings.extractors)
        for passage, spans in zip(batch, found, strict=True):
            yield passage, usable_spans(passage, spans, stats.spans_refused)
