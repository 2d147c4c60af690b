"""What a stage needs besides its settings: packages, servers, keys, names on a hub, disk, memory.

Each room declares the needs of its settings in its module `needs.py`, as functions that yield `Need`
objects. The preflight (recipe/preflight/) collects them for the stages still to run, and checks all of them
before anything is computed. A need is frozen and compares by value, so that a need of several stages is
checked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Made = Mapping[str, int]
"""Product of a stage that has not run yet -> number of parameters of the model in it; 0 for other products
and where the number is unknown. Needs of such products cannot be checked yet."""


@dataclass(frozen=True)
class Fault:
    """A need that is not met, as one or more sentences with the remedy."""

    message: str
    warning: bool = False
    """Whether the stage may still succeed, so that the fault is printed but does not stop the command."""
    wrong_use: bool = False
    """Whether settings, flags or the installation are at fault (exit status 2), not a server or a machine."""


class Need(Protocol):
    """Something that a stage needs and that can be checked at little cost."""

    def faults(self) -> Sequence[Fault]:
        """Checks the need. Returns no fault if it is met, or if it cannot be checked."""


@dataclass(frozen=True)
class Broken:
    """A need of settings that can never be met, such as a missing URL."""

    message: str

    def faults(self) -> Sequence[Fault]:
        """Returns the fault."""
        return (Fault(self.message, wrong_use=True),)
