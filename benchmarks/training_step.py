"""Benchmark of an SFT step: the stage's trainer against a plain PyTorch loop, and the parts of a step.

    python benchmarks/training_step.py CHECKPOINT TRAJECTORIES [--rounds 5] [--dtype auto] [--parts]

Both train a copy of the same checkpoint on the same batches, in the same number format, with the same frozen
layers, AdamW, gradient clipping, and the head applied only to positions with loss. They take turns: a step of
the loop, then a step of the trainer on the same rows. The table shows medians and their ratio. A trainer's
step lasts from the end of one turn of the loop to the start of the next, so it includes the collation of
rows, the logging, and everything else that the trainer does. The first step is not counted, nor the last one,
after which the trainer saves its state. Processor time is that of all threads; beside other work it is the
fairer measure, with OMP_WAIT_POLICY=PASSIVE, so that waiting threads take none.

The trainer computes the tokens that all rows of a batch start with only once (train/shared_prefix.py); with
`--whole` it computes them for each row, as the loop does.

`--parts` also shows where the seconds of the trainer's step go. `--operators` adds torch's profile of one
step of the loop, by operator.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from masksearch.llm.checkpoint import load_checkpoint
from masksearch.llm.device import dtype_name, find_dtype
from masksearch.train import head
from masksearch.train.lora import freeze_layers
from masksearch.train.loss_mask import IGNORED, Encoded
from masksearch.train.settings import SftSettings
from masksearch.train.sft.rows import arrange
from masksearch.train.sft.sources import encode_all
from masksearch.train.sft.stage import make_trainer


@dataclass(frozen=True)
class Seconds:
    """Wall time, and processor time of all threads."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Seconds:
        return cls(time.perf_counter(), time.process_time())

    def passed(self) -> Seconds:
        """Returns the time since this one."""
        now = Seconds.now()
        return Seconds(now.wall - self.wall, now.processor - self.processor)


class PlainLoop:
    """A plain training loop: pad, forward pass, backward pass, clip, AdamW."""

    def __init__(self, model: Any, settings: SftSettings) -> None:
        self.model, self.half = model.train(), find_dtype(settings.dtype) is torch.bfloat16
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        self.trained = trained
        self.optimizer = torch.optim.AdamW(
            trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )

    def step(self, rows: Sequence[Encoded]) -> None:
        """Trains on one batch."""
        length = max(len(row.input_ids) for row in rows)
        ids = torch.zeros(len(rows), length, dtype=torch.long)  # (batch, length), as are the next two
        attention = torch.zeros(len(rows), length, dtype=torch.long)
        labels = torch.full((len(rows), length), IGNORED)
        for place, row in enumerate(rows):
            end = len(row.input_ids)
            ids[place, :end] = torch.tensor(row.input_ids)
            labels[place, :end] = torch.tensor(row.labels)
            attention[place, :end] = 1
        targets = labels[:, 1:]  # (batch, length - 1): a position predicts the token after it
        wanted = targets != IGNORED
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            output = self.model.model(input_ids=ids, attention_mask=attention, use_cache=False)
            logits = self.model.lm_head(
                output.last_hidden_state[:, :-1][wanted]
            )  # (tokens with loss, vocabulary)
        torch.nn.functional.cross_entropy(logits.float(), targets[wanted]).backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Turns(TrainerCallback):  # type: ignore[misc]
    """Runs a step of the loop before each step of the trainer, and times both."""

    def __init__(self, loop: PlainLoop, batches: Sequence[Sequence[Encoded]], parts: Parts) -> None:
        self.loop, self.batches, self.parts = loop, batches, parts
        self.plain: list[Seconds] = []
        self.ours: list[Seconds] = []
        self.left: Seconds | None = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._stop_clock()
        started = Seconds.now()
        self.loop.step(self.batches[state.global_step])
        self.plain.append(started.passed())
        self.left = Seconds.now()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._stop_clock()

    def _stop_clock(self) -> None:
        if self.left is not None:
            self.ours.append(self.left.passed())
            self.parts.end_step(self.ours[-1].wall)


class Parts:
    """Seconds of the parts of each step, measured by wrapping the trainer's methods."""

    def __init__(self) -> None:
        self.current: dict[str, float] = defaultdict(float)
        self.steps: list[dict[str, float]] = []

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.current[name] += time.perf_counter() - started

    def wrap(self, owner: Any, method: str, name: str) -> None:
        """Replaces a method of an object by one that adds its seconds to the part `name`."""
        original: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.time(name):
                return original(*args, **kwargs)

        setattr(owner, method, timed)

    def end_step(self, seconds: float) -> None:
        """Closes the record of a step that took `seconds`."""
        self.steps.append(self.current | {"rest": seconds - sum(self.current.values())})
        self.current.clear()

    def medians(self) -> dict[str, float]:
        """Returns the median seconds of each part over the counted steps."""
        counted = self.steps[1:-1]
        return {name: statistics.median(step.get(name, 0.0) for step in counted) for name in counted[0]}


class WrapOptimizer(TrainerCallback):  # type: ignore[misc]
    """Times the optimizer, which exists only after the training has begun."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def on_train_begin(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, **kwargs: Any
    ) -> None:
        self.parts.wrap(optimizer, "step", "optimizer")


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[Turns, Parts, list[list[Encoded]]]:
    """Trains in turns and returns the timed turns, the parts and the batches."""
    settings = SftSettings.model_validate(
        {
            "model": arguments.checkpoint,
            "trajectories": [arguments.trajectories],
            "frozen_layers": arguments.frozen_layers,
            "batch_size": arguments.batch_size,
            "dtype": arguments.dtype,
            "max_steps": 2 + arguments.rounds,
            "save_steps": 10_000,
            "trackers": ["none"],
        }
    )
    model, tokenizer = load_checkpoint(settings.model, torch.float32)
    rows, _ = encode_all(settings, tokenizer)
    order = arrange(rows, settings)
    batches = [order[at : at + settings.batch_size] for at in range(0, len(order), settings.batch_size)]
    freeze_layers(model, settings.frozen_layers)
    loop = PlainLoop(copy.deepcopy(model), settings)
    if arguments.operators:
        profile(loop, batches[0])
    trainer = make_trainer(settings, model, tokenizer, order, 2 + arguments.rounds, folder)
    parts = Parts()
    parts.wrap(trainer, "get_batch_samples", "collation")
    parts.wrap(trainer, "compute_loss", "forward")
    parts.wrap(trainer.accelerator, "backward", "backward")
    parts.wrap(trainer.accelerator, "clip_grad_norm_", "clipping")
    parts.wrap(trainer, "_maybe_log_save_evaluate", "logging")
    turns = Turns(loop, batches, parts)
    trainer.add_callback(WrapOptimizer(parts))
    trainer.add_callback(turns)
    trainer.train()
    return turns, parts, batches


def profile(loop: PlainLoop, rows: Sequence[Encoded]) -> None:
    """Prints the operators that take most of a step of the loop."""
    loop.step(rows)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as record:
        loop.step(rows)
    print(record.key_averages().table(sort_by="self_cpu_time_total", row_limit=22, max_name_column_width=60))


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="checkpoint folder to train")
    parser.add_argument("trajectories", help="trajectory file")
    parser.add_argument("--rounds", type=int, default=5, help="counted steps of each side")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--frozen-layers", type=int, default=15)
    parser.add_argument("--dtype", default="auto", choices=("auto", "bfloat16", "float32"))
    parser.add_argument("--whole", action="store_true", help="compute shared tokens for each row")
    parser.add_argument("--parts", action="store_true", help="show where the seconds of a step go")
    parser.add_argument("--operators", action="store_true", help="show torch's profile of a step of the loop")
    arguments = parser.parse_args()
    arguments.dtype = dtype_name(find_dtype(arguments.dtype))
    print(
        f"load average of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
        f"PyTorch on {torch.get_num_threads()} threads, {arguments.dtype}"
    )
    if arguments.whole:
        head.SHORTEST = 10**9
    with tempfile.TemporaryDirectory() as folder:
        turns, parts, batches = measure(arguments, Path(folder))
    counted = list(zip(turns.plain[1:-1], turns.ours[1:-1], strict=True))
    used = batches[1 : 1 + len(counted)]
    real = sum(len(row.input_ids) for batch in used for row in batch)
    padded = sum(len(batch) * max(len(row.input_ids) for row in batch) for batch in used)
    tokens = real / len(used)
    print(f"batches of {arguments.batch_size} rows, {tokens:.0f} tokens, {1 - real / padded:.1%} padding")
    for name in ("wall", "processor"):
        pairs = [(getattr(plain, name), getattr(ours, name)) for plain, ours in counted]
        plain, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratios = sorted(one / other for one, other in pairs)
        print(f"{name} time: trainer {ours:.2f} s a step ({tokens / ours:.0f} tokens/s), loop {plain:.2f} s")
        print(
            f"  speed of the trainer / of the loop: {statistics.median(ratios):.3f} "
            f"({ratios[0]:.3f} to {ratios[-1]:.3f})"
        )
    if arguments.parts:
        found = parts.medians()
        total = sum(found.values())
        for name, seconds in sorted(found.items(), key=lambda part: -part[1]):
            print(f"  {name.ljust(12)} {seconds:8.3f} s {seconds / total:7.1%}")


if __name__ == "__main__":
    main()
