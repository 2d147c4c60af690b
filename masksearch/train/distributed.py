"""Several processes that train one model: who writes, who waits, and whole weights out of what each of them holds.

Each process has a share of every batch and, for RL, rolls out whole groups of its own with a decoder of its own. Under FSDP a process holds slices
of the weights; they are put together a tensor at a time, on every process, because all have to take part.
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
    """Connects the processes (once) and gives each its own device. Nothing to do where there is one process."""
    if count() > 1:
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available())


def wait() -> None:
    """Returns when every process has come here."""
    if count() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def first_does(work: Callable[[], T]) -> T | None:
    """The first process does something, and the others go on when it is done; its result, None in the others."""
    done = work() if is_first() else None
    wait()
    return done


def everything(mine: Sequence[T]) -> list[T]:
    """The lists of all processes one after the other, in the order of their ranks."""
    if count() == 1:
        return list(mine)
    from accelerate.utils import gather_object

    return list(gather_object(list(mine)))


def first_ones(mine: T) -> T:
    """What the first process has, in all of them."""
    return everything([mine])[0]


def mean_of_all(mine: torch.Tensor) -> float:
    """The mean of a number over the processes. One that is not finite in one of them is not finite in any, so that all stop together."""
    if count() == 1:
        return float(mine)
    from accelerate.utils import gather

    return float(gather(mine.detach().reshape(1)).mean())


def share(total: int, name: str) -> int:
    """The part of `total` that falls to each process. Raises TrainingError where it cannot be shared evenly."""
    if total % count():
        raise TrainingError(f"{name} ({total}) must be a multiple of the number of processes ({count()}).")
    return total // count()


def one_device(arguments: Any) -> Any:
    """A trainer's arguments, for one device a process: left alone, the trainer would split each batch over all GPUs that it sees, and so enlarge it."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def load_trained(trainer: Any, folder: str) -> None:
    """Takes the weights of a saved state into a trainer, in slices where it holds slices."""
    trainer._load_from_checkpoint(folder, trainer.model_wrapped if trainer.is_fsdp_enabled else None)


def save_trained(trainer: Any, tokenizer: Any, output: Path, mark: dict[str, Any]) -> None:
    """Writes what was trained as one plain checkpoint of float32 weights, adapters merged; by the first process."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = {}
    for name, weight in plain_weights(model):  # by every process, though one only keeps them
        if is_first():
            state[name] = weight.detach().float().cpu()
    first_does(lambda: save_checkpoint(model, tokenizer, output, mark, state))
