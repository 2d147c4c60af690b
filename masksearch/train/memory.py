"""Memory of a training process: returning freed memory to the system, and errors that name the settings
to lower."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator

from masksearch.errors import TrainingError

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""Parts of torch's messages when memory runs out, on a GPU and on a CPU."""


def release_memory() -> None:
    """Returns freed heap memory to the system if the C library supports this.

    Rows of many lengths fragment the heap. Called when a state is saved rather than after every step, because
    fetching the pages again costs time.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def explain_out_of_memory(remedy: Callable[[], str]) -> Iterator[None]:
    """Turns an out-of-memory error into a TrainingError that names the settings to lower (`remedy`)."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise TrainingError(
                f"Memory ran out: {remedy()}. The same command resumes from the last saved state."
            ) from error
        raise
