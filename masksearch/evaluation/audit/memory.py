"""What a model knows without searching, and which share of a training reward was paid for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.evaluation.audit.settings import AuditSettings
from masksearch.evaluation.rows import row
from masksearch.evaluation.rules import passes
from masksearch.evaluation.run import load_policy, make_job, roll_out_resumably, with_number_format
from masksearch.evaluation.settings import EvalSettings
from masksearch.runtime.records import read_rows
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.types import Task

TEMPERATURE = 0.7
"""Sampling temperature of all answers but the first."""
ROLLOUTS = "rollouts.jsonl"


@dataclass(frozen=True)
class Known:
    """The closed-book answers to one task."""

    answers: tuple[str, ...]
    right: int
    """Number of answers that are right: they hold the gold answer, or have an F1 above one half."""


def closed_book(tasks: Sequence[Task], settings: AuditSettings, work: Path) -> list[Known]:
    """Asks the model every question without a search.

    Finished answers are kept in `work`, one folder for each attempt, and read again after a kill. Raises
    ModelError if more than the share `allow_failed` of the questions failed.
    """
    shared = EvalSettings(
        questions=settings.questions,
        model=settings.model,
        llm=settings.llm,
        method="closed-book",
        agent=settings.agent,
        dtype=settings.dtype,
        decode_slots=settings.decode_slots,
        chunk=settings.chunk,
        concurrency=settings.concurrency,
        allow_failed=settings.allow_failed,
    )
    shared, _ = with_number_format(shared, work)
    policy = load_policy(shared)
    answers: list[list[tuple[str, bool]]] = [[] for _ in tasks]
    for attempt in range(settings.attempts):
        chosen = shared.model_copy(
            update={"temperature": TEMPERATURE if attempt else 0.0, "seed": settings.seed + attempt}
        )
        folder = work / f"closed-book-{attempt}"
        folder.mkdir(exist_ok=True)
        finished = roll_out_resumably(tasks, make_job(policy, None, chosen), chosen, folder, policy.name)
        for place, one in enumerate(finished):
            scored = row(one.trajectory, chosen, None, None)
            answers[place].append((one.trajectory.answer, bool(scored["cover_em"]) or passes(scored)))
    return [Known(tuple(text for text, _ in found), sum(right for _, right in found)) for found in answers]


def paid_for_memory(path: str) -> dict[str, Any]:
    """Returns the answer reward of an RL run's rollouts, and how much of it no search result accounts for.

    `reward` is the sum of the rewards of all answers that are not yes or no, `memory` that of the answers
    whose gold no tool turn showed. Raises DataError for a file without rewards.
    """
    file = Path(path) / ROLLOUTS if Path(path).is_dir() else Path(path)
    rollouts, reward, memory = 0, 0.0, 0.0
    for _, values in read_rows(file):
        ledger, task = values.get("reward"), values.get("task")
        if not isinstance(ledger, dict) or not isinstance(task, dict) or ledger.get("answer") is None:
            continue
        rollouts += 1
        found = ledger.get("found") or []
        masks = ledger.get("masks") or [ledger["answer"]]
        golds = [[gold] for gold in task.get("answers", ())] if "masks" in task else [task.get("answers", ())]
        for earned, turn, accepted in zip(masks, found, golds, strict=False):
            if all(normalise(str(gold)) in CLOSED_ANSWERS for gold in accepted):
                continue
            reward += float(earned)
            memory += 0.0 if turn else float(earned)
    if not rollouts:
        raise DataError(
            f"{file} holds no rollouts with a reward; name the {ROLLOUTS} of a stage of the kind 'rl'."
        )
    share = memory / reward if reward else None
    return {"rollouts": rollouts, "reward": round(reward, 6), "memory": round(memory, 6), "share": share}
