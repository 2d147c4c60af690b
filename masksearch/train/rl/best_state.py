"""The best saved state of an RL run, kept apart from the rotating states.

The kept files are hard links if the file system supports them. The log row of step N + 1 scores the
state after step N, because the rollouts of step N + 1 use these weights. With held-out tasks only their
measurements count. A later stage of the curriculum has harder tasks, so its best state is preferred to
that of an earlier stage.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from masksearch.runtime.files import atomic_path, write_json

KEPT = "best"
RECORD = "best.json"
NOT_KEPT = ("optimizer", "scheduler", "rng_state", "whole", "training_args")
"""Prefixes of a state's files that only a resumed training needs."""


@dataclass(frozen=True)
class StateScore:
    """A state's optimizer step, the curriculum stage it was scored in, and its score (mean F1 or reward)."""

    step: int
    stage: int
    score: float

    def beats(self, other: StateScore | None) -> bool:
        """Whether this state is better, by stage and then score; of equal states the earlier state stays."""
        return other is None or (self.stage, self.score) > (other.stage, other.score)


def score_last_state(rows: Sequence[Mapping[str, Any]], window: int, heldout: bool) -> StateScore | None:
    """Returns the score of the state before the last log row; None if the row lacks this score.

    With `heldout` the score is the row's F1 on the held-out tasks, else the mean reward of the last
    `window` rows.
    """
    last = rows[-1]
    step, stage = last["step"] - 1, int(last.get("stage", 1))
    if heldout:
        return StateScore(step, stage, last["heldout_f1"]) if "heldout_f1" in last else None
    rewards = [row["reward"] for row in rows[-window:] if row.get("stage", 1) == stage and "reward" in row]
    # The first rollouts are by the untrained model, and a mean over few rows is noise.
    return StateScore(step, stage, fmean(rewards)) if len(rewards) == window else None


def kept_score(work: Path) -> StateScore | None:
    """Returns the score of the state that is kept in `work`; None if no state is kept."""
    try:
        return StateScore(**json.loads((work / KEPT / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def keep_state(state: Path, score: StateScore, work: Path) -> None:
    """Keeps the weights of a saved state in `work`; they replace the weights kept before."""
    with atomic_path(work / KEPT) as folder:
        shutil.copytree(
            state,
            folder,
            copy_function=_link,
            ignore=lambda _, names: [name for name in names if name.startswith(NOT_KEPT)],
        )
        write_json(folder / RECORD, vars(score))


def _link(source: str, target: str) -> None:
    """Hard-links a file, or copies it if the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
