"""Training of one model by several processes (ranks): barriers, gathering, batch shares, whole weights.

Each rank trains on a share of every batch. In RL each rank also rolls out whole groups with its own
decoder. Under FSDP a rank holds only slices of the weights. To save the weights, the slices are gathered
one tensor at a time; this runs on every rank, because gathering needs all ranks. runtime/ranks.py
determines the rank of a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from masksearch.errors import TrainingError
from masksearch.llm.checkpoint import save_checkpoint
from masksearch.runtime.ranks import count, is_first
from masksearch.train.lora import plain_weights

T = TypeVar("T")


def join() -> None:
    """Connects the ranks and assigns a device to each. Does nothing when called again or with one process."""
    if count() > 1:
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available())


def wait() -> None:
    """Barrier: returns when every rank has reached it."""
    if count() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def on_first_rank(work: Callable[[], T]) -> T | None:
    """Runs `work` on the first rank while the others wait; returns its result there, None on the others."""
    done = work() if is_first() else None
    wait()
    return done


def gather_lists(mine: Sequence[T]) -> list[T]:
    """Returns the lists `mine` of all ranks, concatenated in the order of the ranks."""
    if count() == 1:
        return list(mine)
    from accelerate.utils import gather_object

    return list(gather_object(list(mine)))


def from_first_rank(mine: T) -> T:
    """Broadcast: returns the first rank's value of `mine` on every rank."""
    return gather_lists([mine])[0]


def mean_over_ranks(mine: torch.Tensor) -> float:
    """Returns the mean of `mine`, one number per rank, over all ranks.

    A number that is not finite on one rank makes the mean not finite on all ranks, so that all ranks stop
    together.
    """
    if count() == 1:
        return float(mine)
    from accelerate.utils import gather

    return float(gather(mine.detach().reshape(1)).mean())


def share(total: int, name: str) -> int:
    """Returns `total` divided by the number of ranks; `name` is the setting's name for the error message.

    Raises TrainingError if the division leaves a remainder.
    """
    if total % count():
        raise TrainingError(f"{name} ({total}) must be a multiple of the number of processes ({count()}).")
    return total // count()


def one_device(arguments: Any) -> Any:
    """Restricts a trainer's arguments to one device per process.

    The trainer would otherwise split each batch over all GPUs that it sees, and so enlarge the batch.
    """
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def load_trained(trainer: Any, folder: str) -> None:
    """Loads the weights of a saved state (`folder`) into a trainer; under FSDP each rank loads its slices."""
    trainer._load_from_checkpoint(folder, trainer.model_wrapped if trainer.is_fsdp_enabled else None)


def save_trained(trainer: Any, tokenizer: Any, output: Path, mark: dict[str, Any]) -> None:
    """Writes the trained model as a plain float32 checkpoint with the adapters merged.

    Every rank must call this, but only the first rank writes.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = {}
    for name, weight in plain_weights(model):  # runs on every rank to gather the slices
        if is_first():
            state[name] = weight.detach().float().cpu()
    on_first_rank(lambda: save_checkpoint(model, tokenizer, output, mark, state))
