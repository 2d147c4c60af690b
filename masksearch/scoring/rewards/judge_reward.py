"""The judge's verdict as a reward: asked for the answers of many rollouts at a time, cached, and left open where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from masksearch.scoring.judge import Judge, Verdict, item_of
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import Trajectory, task_from_json

VERDICTS = "verdicts.jsonl"
"""Verdicts so far, in the stage's folder."""


def open_judge(settings: JudgeSettings, cache: Path | None) -> Judge:
    """The judge whose verdict is the reward: the strict one, or the relaxed one where that alone is among the modes.

    Asks nothing yet. Raises UsageError for a wrong URL or a prompt folder without prompts, MissingExtraError without the package it needs.
    """
    return Judge(
        settings.url,
        settings.model,
        "strict" if "strict" in settings.modes else "relaxed",
        cache=cache,
        prompts=settings.prompts,
        concurrency=settings.concurrency,
        max_tokens=settings.max_tokens,
        timeout=settings.timeout,
        retries=settings.retries,
    )


def ask_judge(judge: Judge, trajectories: Sequence[Trajectory]) -> list[Verdict]:
    """A verdict on each answer, in order. Raises ModelError where the endpoint refuses the key or does not know the model."""
    items = [item_of(task_from_json(trajectory.task), trajectory.answer) for trajectory in trajectories]
    return asyncio.run(judge.judge(items)) if items else []
