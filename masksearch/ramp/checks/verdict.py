"""What a check says of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """Whether a task passed a check, and what the check found."""

    passed: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values, to stand on the task under the check's name."""
    reason: str = ""
    """Why the task did not pass; the same words for all tasks that failed alike, so that they can be counted."""
    survived: tuple[tuple[str, str], ...] = ()
    """(category of a mask, name of a test it passed): where a check is made of several tests, for the table of how far masks come."""
