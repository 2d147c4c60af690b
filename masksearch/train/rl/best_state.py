"""Keeps the best saved state of an RL run in a separate folder, because the trainer deletes older states.

The kept files are hard links if the file system supports them. The score of the state after step N comes
from the log row of step N + 1, because the rollouts of step N + 1 use the weights after step N. The score
is the F1 on the held-out tasks, or the mean reward if there are none. A later stage of the curriculum has
harder tasks, so a state of a later stage always beats a state of an earlier stage.
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
"""Prefixes of the files that are not kept, because only a resumed training needs them."""


@dataclass(frozen=True)
class StateScore:
    """Score of a saved state: its optimizer step, its curriculum stage, and its mean F1 or reward."""

    step: int
    stage: int
    score: float

    def beats(self, other: StateScore | None) -> bool:
        """Whether this state replaces `other`: a later stage wins, then a strictly higher score."""
        return other is None or (self.stage, self.score) > (other.stage, other.score)


def score_last_state(rows: Sequence[Mapping[str, Any]], window: int, heldout: bool) -> StateScore | None:
    """Returns the score of the state that was saved one step before the step of the last log row, or None.

    With `heldout` the score is the F1 on the held-out tasks in the last row; None if this step did not
    measure them. Otherwise the score is the mean reward of the last `window` rows; None unless all of
    these rows have a reward and belong to the current curriculum stage.
    """
    last = rows[-1]
    step, stage = last["step"] - 1, int(last.get("stage", 1))
    if heldout:
        return StateScore(step, stage, last["heldout_f1"]) if "heldout_f1" in last else None
    rewards = [row["reward"] for row in rows[-window:] if row.get("stage", 1) == stage and "reward" in row]
    # A full window is required, because a mean over few rows is noisy, and the first rows measure the
    # untrained model.
    return StateScore(step, stage, fmean(rewards)) if len(rewards) == window else None


def kept_score(work: Path) -> StateScore | None:
    """Returns the score of the state that is kept in `work`; None if no state is kept."""
    try:
        return StateScore(**json.loads((work / KEPT / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def keep_state(state: Path, score: StateScore, work: Path) -> None:
    """Hard-links or copies the weights of a saved state into `work`, in place of the state that was kept
    before."""
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
