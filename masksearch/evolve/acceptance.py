"""Decides which rollouts are correct: in valid form, and right by the judge or by the span metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from masksearch.agent.protocol import is_valid
from masksearch.evaluation.judgements import judge_all
from masksearch.evolve.inputs import judge_mode, uses_judge
from masksearch.evolve.settings import EvolveSettings
from masksearch.types import Trajectory


@dataclass(frozen=True)
class Outcome:
    """The outcome of one rollout: whether it is correct, and why it was dropped.

    `correct` is None if this could not be decided: a search or the model failed, or the judge's verdict was
    unreadable.
    """

    trajectory: Trajectory
    correct: bool | None
    reason: str = ""
    """The reason for dropping the rollout; empty if it is kept."""

    def to_json(self) -> dict[str, Any]:
        """Returns the rollout's line in the round's file outcomes.jsonl."""
        return {
            "id": self.trajectory.id,
            "task": self.trajectory.task["id"],
            "correct": self.correct,
            "reason": self.reason,
        }


def judge_rollouts(trajectories: Sequence[Trajectory], settings: EvolveSettings, work: Path) -> list[Outcome]:
    """Decides for each rollout whether it is correct, and returns the outcomes in the same order.

    The answer is checked only if the rollout is in valid form. The judge's verdicts are cached in `work`.
    Raises ModelError if the judge's endpoint leaves too many answers without a verdict
    (`judge.allow_failed`).
    """
    outcomes = [_follows_protocol(trajectory, settings) for trajectory in trajectories]
    places = [place for place, outcome in enumerate(outcomes) if outcome.correct]
    if uses_judge(settings):
        name = judge_mode(settings.judge)
        judge = settings.judge.model_copy(update={"modes": (name,), "support": False})
        judged = judge_all([trajectories[place] for place in places], judge, work)
        for place, columns in zip(places, judged, strict=True):
            outcomes[place] = _by_verdict(outcomes[place], columns.get(f"judge_{name}"))
    else:
        for place in places:
            if trajectories[place].scores["f1"] < settings.min_f1:
                outcomes[place] = replace(outcomes[place], correct=False, reason="answer wrong")
    return outcomes


def _follows_protocol(trajectory: Trajectory, settings: EvolveSettings) -> Outcome:
    # If the settings make searches fail on purpose (`search.noise.fail`), failures do not exclude a rollout.
    if trajectory.status == "model_failed" or (trajectory.search_errors and not settings.search.noise.fail):
        return Outcome(trajectory, None, "search failed" if trajectory.search_errors else "model failed")
    if trajectory.status != "answered":
        return Outcome(trajectory, False, trajectory.status.replace("_", " "))
    if not is_valid(trajectory.turns, trajectory.tools):
        return Outcome(trajectory, False, "not in valid form")
    return Outcome(trajectory, True)


def _by_verdict(outcome: Outcome, verdict: int | None) -> Outcome:
    if verdict is None:
        return replace(outcome, correct=None, reason="no readable verdict")
    return outcome if verdict else replace(outcome, correct=False, reason="judged incorrect")
