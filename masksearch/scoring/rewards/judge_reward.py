"""The judge's verdict as a reward: judges the answers of many rollouts at once and caches the verdicts.

An answer whose verdict is missing stays open, so a later call asks for it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from masksearch.runtime.coroutines import run_coroutine
from masksearch.scoring.judge import Judge, Verdict, item_of
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import Trajectory, task_from_json

VERDICTS = "verdicts.jsonl"
"""Name of the verdict cache in the stage's folder."""


def open_judge(settings: JudgeSettings, cache: Path | None) -> Judge:
    """Opens the judge whose verdict is the reward: the strict one, or the relaxed one if it is the only mode.

    Sends no request yet. Raises UsageError for a wrong URL or a prompt folder without prompts,
    MissingExtraError without the package `openai`.
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
    """Returns a verdict on each answer, in order.

    Raises ModelError if the endpoint refuses the key or does not know the model.
    """
    items = [item_of(task_from_json(trajectory.task), trajectory.answer) for trajectory in trajectories]
    return run_coroutine(judge.judge(items)) if items else []
