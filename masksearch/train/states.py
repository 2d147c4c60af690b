"""Resumes a training run: sets seeds, keeps the number format, finds the newest saved state, trims logs."""

from __future__ import annotations

import json
import random
from pathlib import Path

from masksearch.llm.device import NumberFormat, choose_format, resumed_format
from masksearch.runtime.files import read_appended, remove, write_text
from masksearch.runtime.ranks import is_first
from masksearch.runtime.resume import is_whole
from masksearch.train.distributed import from_first_rank, on_first_rank, wait
from masksearch.train.settings import TrainingStageSettings


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # NumPy accepts only 32-bit seeds
    torch.manual_seed(seed)


def training_format(settings: TrainingStageSettings, work: Path) -> NumberFormat:
    """Returns the number format that all ranks compute in.

    The first rank chooses it, or finds it in the record of an interrupted run.
    """
    chosen = on_first_rank(
        lambda: resumed_format(settings.dtype, work, lambda: choose_format(model=settings.model))
    )
    found = from_first_rank(chosen)
    assert found is not None  # the first rank's value
    return found


def resumable_state(folder: Path) -> str | None:
    """Returns the newest complete state in `folder`, or None. Removes incomplete states of killed runs."""
    # After the first barrier no rank is still writing a state. After the second barrier the first rank has
    # removed the incomplete states.
    wait()
    states = []
    for state in folder.glob("checkpoint-*"):
        if is_whole(state):
            states.append(state)
        elif is_first():
            remove(state)
    wait()
    return str(max(states, key=lambda state: int(state.name.split("-")[1]))) if states else None


def state_step(state: str | None) -> int:
    """Returns the optimizer step at which a state was saved; 0 if `state` is None."""
    return int(Path(state).name.split("-")[1]) if state else 0


def trim_log(path: Path, step: int) -> None:
    """Removes the rows after `step` from a log, because the resumed run will write these steps again."""

    def trim() -> None:
        rows = [row for row in read_appended(path) if row.get("step", 0) <= step]
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))

    on_first_rank(trim)
