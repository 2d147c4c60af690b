"""Lets a model at an endpoint judge the answers of an evaluation, as `scoring.judge` does it."""

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
"""Verdicts so far, in the stage's folder; they stay for later runs."""


def check_judge(settings: JudgeSettings) -> None:
    """Raises UsageError where there could be no judge as it is asked for, or MissingExtraError: better now than when all is rolled out."""
    for mode in settings.modes if settings.url else ():
        Judge(settings.url, settings.model, mode, prompts=settings.prompts)


def judge_all(
    trajectories: Sequence[Trajectory], settings: JudgeSettings, work: Path
) -> list[dict[str, Any]]:
    """What the judge says of each answer, as columns of its row (`judge_strict`, `judge_relaxed`, `judge_error`); empty without a judge.

    An answer that never came, because the endpoint or a search failed, is not judged. Raises ModelError where the judge's endpoint left more
    than `allow_failed` of the answers open: what it has said is kept, and the same command asks for the rest.
    """
    columns: list[dict[str, Any]] = [{} for _ in trajectories]
    if not settings.url:
        return columns
    places = [
        place
        for place, trajectory in enumerate(trajectories)
        if trajectory.status not in ("model_failed", "search_failed")
    ]
    items = [
        item_of(task_from_json(trajectories[place].task), trajectories[place].answer) for place in places
    ]
    said = {mode: _judge(mode, items, settings, work) for mode in settings.modes}
    _check_open(said, settings)
    for index, place in enumerate(places):
        columns[place] = verdict_columns({mode: verdicts[index] for mode, verdicts in said.items()})
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


def _check_open(said: dict[Mode, list[Verdict]], settings: JudgeSettings) -> None:
    for mode, verdicts in said.items():
        left = [verdict for verdict in verdicts if not verdict.settled]
        if len(left) > settings.allow_failed * len(verdicts):
            told = f"{left[0].error} ({len(left)} of {len(verdicts)} {mode} verdicts are missing; start the same command again to ask only for those.)"
            raise ModelError(told)
