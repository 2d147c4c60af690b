"""Judges the answers of an evaluation with a model at an endpoint (see `scoring.judge`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from masksearch.errors import ModelError
from masksearch.runtime.coroutines import run_coroutine
from masksearch.runtime.files import write_text
from masksearch.runtime.progress import Progress
from masksearch.scoring.grounding import texts_shown
from masksearch.scoring.judge import Item, Judge, Mode, Verdict, item_of, verdict_columns
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import Trajectory, task_from_json

DATE = "judge-date.txt"
"""Name of the file in the stage's folder with the day on which its judge started."""
VERDICTS = "verdicts.jsonl"
"""Name of the file in the stage's folder that caches the verdicts; a resumed stage reads it."""


def check_judge(settings: JudgeSettings) -> None:
    """Checks the judge's settings before any question is rolled out.

    Raises UsageError for invalid settings, MissingExtraError without the package for endpoints.
    """
    for mode in asked_modes(settings) if settings.url else ():
        Judge(settings.url, settings.model, mode, prompts=settings.prompts)


def asked_modes(settings: JudgeSettings) -> tuple[Mode, ...]:
    """Returns the modes that the judge is asked in; `support` asks whether passages support an answer."""
    return (*settings.modes, "support") if settings.support else settings.modes


def dated(settings: JudgeSettings, work: Path) -> JudgeSettings:
    """Returns the settings with the day that FreshEval's prompts name: the given one, that of the work in
    `work`, or today."""
    if settings.date or not settings.url or not any("fresheval" in mode for mode in settings.modes):
        return settings
    file = work / DATE
    if not file.is_file():
        work.mkdir(parents=True, exist_ok=True)
        write_text(file, f"{datetime.now().astimezone():%Y-%m-%d}\n")
    return settings.model_copy(update={"date": file.read_text(encoding="utf-8").strip()})


def judge_all(
    trajectories: Sequence[Trajectory], settings: JudgeSettings, work: Path, searches: bool = True
) -> list[dict[str, Any]]:
    """Judges all answers and returns, for each trajectory, the columns that the judge adds to its row.

    The columns are `judge_strict`, `judge_relaxed`, ... and `supported` (0 or 1), and `judge_error`. There
    are no columns without a judge, nor for a trajectory whose endpoint or search failed: its answer is not
    judged. Only an answer of a method that searches (`searches`) gets the column `supported`.

    Raises ModelError if the judge's endpoint gave no verdict for more than the share `allow_failed` of the
    answers. The verdicts received so far are cached, so the same command asks only for the missing verdicts.
    """
    columns: list[dict[str, Any]] = [{} for _ in trajectories]
    if not settings.url:
        return columns
    settings = dated(settings, work)
    judged = [
        index
        for index, trajectory in enumerate(trajectories)
        if trajectory.status not in ("model_failed", "search_failed")
    ]
    items = [
        item_of(task_from_json(trajectories[index].task), trajectories[index].answer) for index in judged
    ]
    found: list[dict[str, Verdict]] = [{} for _ in trajectories]
    for mode in settings.modes:
        for index, verdict in zip(judged, _judge(mode, items, settings, work), strict=True):
            found[index][mode] = verdict
    if settings.support and searches:
        answered = [
            (index, replace(item, passages=texts_shown(trajectories[index].turns)))
            for index, item in zip(judged, items, strict=True)
            if item.prediction.strip()
        ]
        verdicts = _judge("support", [item for _, item in answered], settings, work)
        for (index, _), verdict in zip(answered, verdicts, strict=True):
            found[index]["support"] = verdict
    return [verdict_columns(by_mode) for by_mode in found]


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
        date=settings.date,
    )
    with Progress(f"judge {mode}", len(items), "answers") as progress:
        verdicts = run_coroutine(judge.judge(items, progress.step))
    _check_missing(mode, verdicts, settings)
    return verdicts


def _check_missing(mode: Mode, found: list[Verdict], settings: JudgeSettings) -> None:
    missing = [verdict for verdict in found if not verdict.settled]
    if len(missing) > settings.allow_failed * len(found):
        raise ModelError(
            f"{missing[0].error} ({len(missing)} of {len(found)} {mode} verdicts are missing; "
            "start the same command again to ask only for these verdicts.)"
        )
