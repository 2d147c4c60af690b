"""The best saved state of a training: kept beside the states that rotate, as second names of its files where the file system has them.

A state after N steps is judged by what step N + 1 shows before it trains: its rollouts are by those weights. Where held-out tasks are measured, only
these measurements count. A later stage of the curriculum has harder tasks, so its best state goes before that of an earlier one.
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
"""Beginnings of the names of a state's files that only a resumed training needs."""


@dataclass(frozen=True)
class Judged:
    """A state's step, the stage it was judged in, and its score; compared by stage and score."""

    step: int
    stage: int
    score: float

    def beats(self, other: Judged | None) -> bool:
        """Whether it is better; of equal ones the earlier stays."""
        return other is None or (self.stage, self.score) > (other.stage, other.score)


def judge(rows: Sequence[Mapping[str, Any]], window: int, heldout: bool) -> Judged | None:
    """What the last row of a log says of the state before it; None where it says nothing."""
    last = rows[-1]
    stage = int(last.get("stage", 1))
    if heldout:
        return Judged(last["step"] - 1, stage, last["heldout_f1"]) if "heldout_f1" in last else None
    rewards = [row["reward"] for row in rows[-window:] if row.get("stage", 1) == stage and "reward" in row]
    # The first rollouts are by the untrained model, and a mean over few of them is chance.
    return Judged(last["step"] - 1, stage, fmean(rewards)) if len(rewards) == window else None


def kept(work: Path) -> Judged | None:
    """The state that is kept."""
    try:
        return Judged(**json.loads((work / KEPT / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def keep(state: Path, judged: Judged, work: Path) -> None:
    """Keeps a state's weights in place of those kept before."""
    with atomic_path(work / KEPT) as folder:
        shutil.copytree(
            state,
            folder,
            copy_function=_link,
            ignore=lambda _, names: [name for name in names if name.startswith(NOT_KEPT)],
        )
        write_json(folder / RECORD, vars(judged))


def _link(source: str, target: str) -> None:
    """A second name for a file, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
