"""The trainer callback that shows progress, writes `log.jsonl` and marks saved states as complete."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from masksearch.runtime.files import append_json_lines
from masksearch.runtime.progress import Progress
from masksearch.runtime.ranks import is_first
from masksearch.runtime.resume import mark_whole
from masksearch.train.distributed import from_first_rank, wait
from masksearch.train.memory import release_memory


class Recorder(TrainerCallback):  # type: ignore[misc]
    """Shows progress, appends each logged row to a file, and marks saved states as complete."""

    def __init__(
        self,
        log: Path,
        label: str,
        columns: dict[str, str],
        extra: Callable[[], dict[str, Any]] = dict,
        observe: Callable[[dict[str, Any]], None] = lambda row: None,
        save: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """`log` is the file of the rows, `label` the text of the progress display.

        `columns` maps the trainer's names of metrics to the names in the log; metrics that are not in
        `columns` are not logged. `extra` returns further metrics for a row. `observe` is called on every
        rank with each row, after the row is written. `save` is called on the first rank to add files to the
        folder of a saved state.
        """
        self.log, self.label, self.columns = log, label, columns
        self.extra, self.observe, self.save = extra, observe, save
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
            return  # After the last step the trainer logs a summary, which is not the row of a step.
        row = {name: logs[key] for key, name in self.columns.items() if key in logs} | self.extra()
        seconds = round(time.monotonic() - self.started, 1)
        # All ranks get the first rank's row, so that they make the same decision from it, such as to stop
        # the training.
        row = from_first_rank({"step": state.global_step, **row, "seconds": seconds})
        if is_first():
            append_json_lines(self.log, [row])
        if self.progress is not None:
            shown = [f"{name} {value:.3g}" for name, value in row.items() if name in ("loss", "reward")]
            shown += [f"F1 {row['f1']:.1%}"] if "f1" in row else []
            self.progress.note = ", ".join(shown)
        self.observe(row)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        wait()  # Waits until every rank has written its part of the state.
        if is_first() and folder.is_dir():
            self.save(folder)
            # The marker must not reach the disk before the files that it marks as complete.
            for file in folder.rglob("*"):
                if file.is_file():
                    with open(file, "rb") as stream:
                        os.fsync(stream.fileno())
            mark_whole(folder)
        release_memory()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        release_memory()
        if self.progress is not None:
            self.progress.__exit__(None, None, None)


def remove_printer(trainer: Any) -> None:
    """Removes transformers' callback that prints every log row; the recorder shows progress instead."""
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)
