"""Selects which correct rollouts to keep: grounded ones, and so that the data stays diverse.

The paper names lost diversity as the weakness of self-evolved data. Selection drops near-copies, and caps
the number of trajectories per task, document and query pattern. It considers the first correct sample of
every task, then the second samples, and so on. So a cap mostly drops further samples of easy tasks, not
the only correct sample of a hard task.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from masksearch.evolve.acceptance import Outcome
from masksearch.evolve.patterns import document, language, pattern, spoken
from masksearch.evolve.settings import EvolveSettings
from masksearch.ramp.checks.duplicates import find_duplicates
from masksearch.scoring.grounding import ground
from masksearch.types import Passage, Trajectory


def without_copies(trajectories: Sequence[Trajectory], threshold: float, work: Path) -> list[bool]:
    """Returns for each trajectory True, or False if it is a near-copy of an earlier kept trajectory.

    Near-copies are trajectories whose thoughts and queries have a Jaccard similarity of at least
    `threshold`.
    """
    passages = [
        Passage(
            id=str(place), doc_id=str(place), title="", text=spoken(trajectory), language=language(trajectory)
        )
        for place, trajectory in enumerate(trajectories)
    ]
    return [not copy for copy in find_duplicates(passages, threshold, work).tolist()]


def select(
    outcomes: Sequence[Outcome], data: Sequence[Trajectory], settings: EvolveSettings, work: Path
) -> list[Outcome]:
    """Returns a round's outcomes; correct rollouts that are not kept get a `reason`.

    `data` are the seed data and the trajectories that earlier rounds kept.
    """
    correct = [place for place, outcome in enumerate(outcomes) if outcome.correct]
    reasons = {place: reason for place in correct if (reason := _fault(outcomes[place].trajectory, settings))}
    candidates = _in_turns([place for place in correct if place not in reasons], outcomes)
    stays = without_copies(
        [*data, *(outcomes[place].trajectory for place in candidates)], settings.near_copies, work
    )[len(data) :]
    caps = _Caps(data, len(candidates), settings)
    for place, unlike in zip(candidates, stays, strict=True):
        reason = caps.take(outcomes[place].trajectory) if unlike else "near-copy"
        if reason:
            reasons[place] = reason
    return [
        replace(outcome, reason=reasons.get(place, outcome.reason)) for place, outcome in enumerate(outcomes)
    ]


def _fault(trajectory: Trajectory, settings: EvolveSettings) -> str:
    """Returns the reason why a correct rollout must not be kept whatever else is kept; empty if it may be."""
    if trajectory.usage.searches < settings.min_searches:
        return "too few searches"
    return ground(trajectory, settings.agent.answer_form).fault if settings.grounded else ""


def _in_turns(places: Sequence[int], outcomes: Sequence[Outcome]) -> list[int]:
    """Reorders `places`, indices of `outcomes`: the first sample of every task, then the second samples,
    and so on."""
    seen: Counter[str] = Counter()
    turns: defaultdict[int, list[int]] = defaultdict(list)
    for place in places:
        task = outcomes[place].trajectory.task["id"]
        turns[seen[task]].append(place)
        seen[task] += 1
    return [place for turn in sorted(turns) for place in turns[turn]]


class _Caps:
    """Counts kept trajectories by task, document and query pattern, and applies the caps (maximum counts)
    to each."""

    def __init__(self, data: Sequence[Trajectory], candidates: int, settings: EvolveSettings) -> None:
        self.settings = settings
        self.most_of_pattern = max(1, math.ceil(settings.pattern_share * candidates))
        self.documents = Counter(map(document, data))
        self.tasks: Counter[str] = Counter()
        self.patterns: Counter[str] = Counter()

    def take(self, trajectory: Trajectory) -> str:
        """Returns the name of the cap that excludes a trajectory. If no cap excludes it, counts the
        trajectory as kept and returns an empty string."""
        task, about, form = trajectory.task["id"], document(trajectory), pattern(trajectory)
        if self.tasks[task] >= self.settings.keep_per_task:
            return "cap of its task"
        if self.settings.per_document and self.documents[about] >= self.settings.per_document:
            return "cap of its document"
        if self.patterns[form] >= self.most_of_pattern:
            return "cap of its query pattern"
        self.tasks[task] += 1
        self.documents[about] += 1
        self.patterns[form] += 1
        return ""
