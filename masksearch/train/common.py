"""What SFT and RL share: device and number format, seeds, logs, states to resume from."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from masksearch.runtime.files import append_json_lines, read_appended, remove, write_text
from masksearch.runtime.progress import Progress
from masksearch.runtime.ranks import is_first
from masksearch.train.distributed import first_does, first_ones, wait

WHOLE = "whole"
"""A file that is put into a saved state when all of it is written."""


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def resumable_state(folder: Path) -> str | None:
    """The newest state that was saved whole, or None; states torn by a kill are removed."""
    wait()
    states = []
    for state in folder.glob("checkpoint-*"):
        if (state / WHOLE).exists():
            states.append(state)
        elif is_first():
            remove(state)
    wait()
    return str(max(states, key=lambda state: int(state.name.split("-")[1]))) if states else None


def trim_log(path: Path, step: int) -> None:
    """Drops the rows of a log that were written after the step a run resumes from, so that none stands twice."""

    def trim() -> None:
        rows = [row for row in read_appended(path) if row.get("step", 0) <= step]
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))

    first_does(trim)


def state_step(state: str | None) -> int:
    """The optimizer step of a saved state; 0 for none."""
    return int(Path(state).name.split("-")[1]) if state else 0


def give_back_memory() -> None:
    """Hands freed memory back to the system, where the C library can: rows of many lengths leave a heap full of holes.

    Now and then, not after every step: fetching the pages again costs time.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Recorder(TrainerCallback):  # type: ignore[misc]
    """Shows progress, appends each logged row to a file, and marks saved states as whole."""

    def __init__(
        self,
        log: Path,
        label: str,
        keep: dict[str, str],
        extra: Callable[[], dict[str, float]] = dict,
        look: Callable[[dict[str, Any]], None] = lambda row: None,
        save: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """`extra` gives more figures of a row, `look` sees each row when it is written (in every process), `save` puts more into a state (in the first)."""
        self.log, self.label, self.keep, self.extra, self.look, self.save = (
            log,
            label,
            keep,
            extra,
            look,
            save,
        )
        self.progress: Progress | None = None
        self.started = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress = Progress(self.label, state.max_steps - state.global_step, "steps")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.progress is not None:
            self.progress.step()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        if not logs or "loss" not in logs:
            return  # the trainer's own summary at the end
        row = {new: logs[old] for old, new in self.keep.items() if old in logs} | self.extra()
        # What a row decides, such as the end of the training, all processes must decide alike.
        row = first_ones(
            {"step": state.global_step, **row, "seconds": round(time.monotonic() - self.started, 1)}
        )
        if is_first():
            append_json_lines(self.log, [row])
        if self.progress is not None:
            self.progress.note = ", ".join(
                f"{name} {value:.3g}" for name, value in row.items() if name in ("loss", "reward", "f1")
            )
        self.look(row)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        wait()  # every process has written its part
        if is_first() and folder.is_dir():
            self.save(folder)
            for file in folder.rglob("*"):
                if file.is_file():
                    with open(file, "rb") as stream:
                        os.fsync(stream.fileno())
            (folder / WHOLE).touch()
        give_back_memory()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        give_back_memory()
        if self.progress is not None:
            self.progress.__exit__(None, None, None)
