"""Memory of a training process: returns freed memory to the system and explains out-of-memory errors."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator

from masksearch.errors import TrainingError

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""Substrings of torch's error messages when memory runs out, on a GPU or a CPU."""


def release_memory() -> None:
    """Returns freed heap memory to the system if the C library supports this.

    Rows of many lengths fragment the heap. The recorder calls this when a state is saved. Calling it after
    every step would cost time, because the process would have to request the memory again.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def explain_out_of_memory(remedy: Callable[[], str]) -> Iterator[None]:
    """Turns an out-of-memory error into a TrainingError, with the clause of `remedy` in its text."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise TrainingError(
                f"Memory ran out: {remedy()}. The same command resumes from the last saved state."
            ) from error
        raise
