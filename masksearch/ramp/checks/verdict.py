"""The result of a check on one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """Whether a task passed a check, and the check's findings."""

    passed: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values, recorded on the task under the check's name."""
    reason: str = ""
    """Reason why the task failed. It names no details of the task, so that equal reasons can be counted."""
    survived: tuple[tuple[str, str], ...] = ()
    """(category of a mask, name of a test that the mask passed), for checks that consist of several tests.
    `tally.survival_table` shows their counts."""
