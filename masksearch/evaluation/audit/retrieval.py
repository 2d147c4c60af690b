"""Is the gold answer within k results: by the question's own words, and with the name that it leads to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.evaluation.audit.units import Unit, bridges, evidence_among, shown, units
from masksearch.evaluation.run import retrieval_query
from masksearch.protocols import Searcher
from masksearch.ramp.checks.retrievable import verify_retrievable
from masksearch.runtime.progress import Progress
from masksearch.search.wrappers.hiding import search_for_task
from masksearch.types import Hit, MaskedTask, Task


@dataclass(frozen=True)
class Retrieval:
    """What the searches for one task return."""

    rank: int | None
    """Rank, from 1, by which the results of the question's words hold every gold answer; None if they do
    not. For yes or no it is the rank of the last gold article."""
    bridged: bool
    """Whether the question's words, or these with a name that it leads to, return the answer."""
    evidence: float | None
    """Share of the gold articles among the results of the question's words; None if it names none."""


def retrieval(tasks: Sequence[Task], searcher: Searcher, k: int) -> list[Retrieval]:
    """Searches for each task. Raises SearchError if a search fails."""
    found = []
    with Progress("audit searches", len(tasks), "questions") as progress:
        for task in tasks:
            found.append(_of(task, search_for_task(task, searcher), searcher, k))
            progress.step()
    return found


def _of(task: Task, view: Searcher, searcher: Searcher, k: int) -> Retrieval:
    hits = view.search([retrieval_query(task)], k)[0]
    rank = _rank(task, hits)
    return Retrieval(rank, rank is not None or _bridged(task, view, searcher, k), evidence_among(task, hits))


def _bridged(task: Task, view: Searcher, searcher: Searcher, k: int) -> bool:
    if isinstance(task, MaskedTask) and not task.bridges:
        return verify_retrievable([task], searcher, k)[0].passed
    names = bridges(task)
    if not names:
        return False
    queries = [f"{retrieval_query(task)} {name}" for name in names]
    pooled = [hit for hits in view.search(queries, k) for hit in hits]
    return _rank(task, pooled) is not None


def _rank(task: Task, hits: Sequence[Hit]) -> int | None:
    """Returns the rank by which all answers were shown; None if one was not."""
    wanted = units(task)
    if not wanted:
        share = evidence_among(task, hits)
        return None if share is None or share < 1 else _last(task, hits)
    ranks = [_first(unit, hits) for unit in wanted]
    known = [rank for rank in ranks if rank is not None]
    return max(known) if len(known) == len(ranks) else None


def _first(unit: Unit, hits: Sequence[Hit]) -> int | None:
    return next((rank for rank, hit in enumerate(hits, 1) if unit.stands_in(shown(hit.passage))), None)


def _last(task: Task, hits: Sequence[Hit]) -> int:
    """Returns the number of results that hold all gold articles."""
    return next(n for n in range(1, len(hits) + 1) if (evidence_among(task, hits[:n]) or 0) >= 1)
