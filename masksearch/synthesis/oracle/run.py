"""Runs the scripted teacher on tasks through the agent loop, and keeps the correct trajectories."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from masksearch.agent.loop import check_tools, run_all, run_episode
from masksearch.agent.protocol import is_valid
from masksearch.llm.base import Sampling
from masksearch.protocols import Searcher
from masksearch.runtime.progress import Progress
from masksearch.scoring.grounding import ground
from masksearch.scoring.metrics import score_task
from masksearch.search.wrappers.hiding import HiddenSource
from masksearch.synthesis.oracle.hops import HopCounts
from masksearch.synthesis.oracle.planned.sayings import NOT_FOUND
from masksearch.synthesis.oracle.teacher import Oracle
from masksearch.synthesis.oracle.versions import make_oracle
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.types import Task, Trajectory

BATCH = 64
"""Number of tasks that run at a time."""


def synthesize(
    tasks: Sequence[Task],
    settings: SynthesizeSettings,
    dropped: Counter[str],
    searcher: Searcher | None = None,
    hops: HopCounts | None = None,
) -> Iterator[Trajectory]:
    """Yields the kept trajectories, at most `settings.limit`.

    With a limit, the tasks are taken in a seeded random order. The function counts dropped tasks by reason in
    `dropped`, and searches for entities in `hops`.
    """
    if searcher is None:
        from masksearch.search import open_searcher

        searcher = open_searcher(settings.index, settings.search)
        check_tools(searcher, settings.agent)
    order = list(tasks)
    if settings.limit is not None and settings.limit < len(order):
        random.Random(settings.seed).shuffle(order)
    kept = 0
    with Progress("synthesize", settings.limit or len(order), "trajectories") as progress:
        for start in range(0, len(order), BATCH):
            for trajectory, teacher in _teach(order[start : start + BATCH], settings, searcher):
                fault = _fault(trajectory, teacher.gave_up)
                if hops is not None:
                    hops.add(teacher.hops, kept=not fault)
                if fault:
                    dropped[fault] += 1
                    continue
                yield trajectory
                kept += 1
                progress.step(note=f"{dropped.total()} dropped")
                if kept == settings.limit:
                    return


def _teach(
    tasks: Sequence[Task], settings: SynthesizeSettings, searcher: Searcher
) -> list[tuple[Trajectory, Oracle]]:
    teachers = [make_oracle(task, settings.agent, settings.oracle) for task in tasks]
    searchers = [_without_evidence(task, settings, searcher) for task in tasks]
    for teacher, own in zip(teachers, searchers, strict=True):
        teacher.hidden = own is not searcher
    episodes = run_all(
        run_episode(task, teacher, own, settings.agent, Sampling())
        for task, teacher, own in zip(tasks, teachers, searchers, strict=True)
    )
    scored = []
    for task, teacher, episode in zip(tasks, teachers, episodes, strict=True):
        score = score_task(episode.trajectory.answer, task, settings.agent.answer_form)
        scores = score.to_json()
        if teacher.hidden:
            scores["not_found"] = float(episode.trajectory.answer == NOT_FOUND)
        scored.append((episode.trajectory.model_copy(update={"scores": scores}), teacher))
    return scored


def _fault(trajectory: Trajectory, gave_up: str) -> str:
    """Returns the reason why a trajectory is dropped, or an empty string."""
    if trajectory.search_errors:
        return "search_failed"
    if trajectory.status in ("no_answer", "too_many_searches"):
        return gave_up or "evidence not found"
    if trajectory.status != "answered":
        return trajectory.status
    if not is_valid(trajectory.turns, trajectory.tools):
        return "not in valid form"
    if trajectory.scores.get("not_found"):
        return ""
    if trajectory.scores["f1"] != 1.0:
        return "answer not exact"
    return ground(trajectory).fault


def _without_evidence(task: Task, settings: SynthesizeSettings, searcher: Searcher) -> Searcher:
    """Returns the search of a task: for the share `not_found`, one that hides a step's article."""
    if not (settings.not_found and settings.oracle == "planned" and task.steps):
        return searcher
    draw = random.Random(f"{settings.seed}:not-found:{task.id}")
    if draw.random() >= settings.not_found:
        return searcher
    return HiddenSource(searcher, [draw.choice(task.steps).title])
