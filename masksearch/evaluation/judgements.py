"""Judges the answers of an evaluation with a model at an endpoint (see `scoring.judge`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import ModelError
from masksearch.runtime.progress import Progress
from masksearch.scoring.judge import Item, Judge, Mode, Verdict, item_of, verdict_columns
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import Trajectory, task_from_json

VERDICTS = "verdicts.jsonl"
"""Cache of verdicts in the stage's folder; later runs reuse it."""


def check_judge(settings: JudgeSettings) -> None:
    """Checks the judge's settings before any question is rolled out.

    Raises UsageError for settings that no judge can use, MissingExtraError without the client package.
    """
    for mode in settings.modes if settings.url else ():
        Judge(settings.url, settings.model, mode, prompts=settings.prompts)


def judge_all(
    trajectories: Sequence[Trajectory], settings: JudgeSettings, work: Path
) -> list[dict[str, Any]]:
    """Returns the judge's columns of each row; empty without a judge.

    The columns are `judge_strict` and `judge_relaxed` (0 or 1), and `judge_error`. Trajectories whose
    endpoint or search failed have no answer and are not judged. Raises ModelError if the judge's endpoint
    left more than `allow_failed` of the answers without a verdict; the verdicts received so far are
    cached, so the same command asks only for the missing verdicts.
    """
    columns: list[dict[str, Any]] = [{} for _ in trajectories]
    if not settings.url:
        return columns
    judged = [
        index
        for index, trajectory in enumerate(trajectories)
        if trajectory.status not in ("model_failed", "search_failed")
    ]
    items = [
        item_of(task_from_json(trajectories[index].task), trajectories[index].answer) for index in judged
    ]
    verdicts = {mode: _judge(mode, items, settings, work) for mode in settings.modes}
    _check_missing(verdicts, settings)
    for place, index in enumerate(judged):
        columns[index] = verdict_columns({mode: found[place] for mode, found in verdicts.items()})
    return columns


def _judge(mode: Mode, items: Sequence[Item], settings: JudgeSettings, work: Path) -> list[Verdict]:
    judge = Judge(
        settings.url,
        settings.model,
        mode,
        cache=work / VERDICTS,
        prompts=settings.prompts,
        concurrency=settings.concurrency,
        max_tokens=settings.max_tokens,
        timeout=settings.timeout,
        retries=settings.retries,
    )
    with Progress(f"judge {mode}", len(items), "answers") as progress:
        return asyncio.run(judge.judge(items, progress.step))


def _check_missing(verdicts: dict[Mode, list[Verdict]], settings: JudgeSettings) -> None:
    for mode, found in verdicts.items():
        missing = [verdict for verdict in found if not verdict.settled]
        if len(missing) > settings.allow_failed * len(found):
            raise ModelError(
                f"{missing[0].error} ({len(missing)} of {len(found)} {mode} verdicts are missing; "
                "start the same command again to ask only for these verdicts.)"
            )
