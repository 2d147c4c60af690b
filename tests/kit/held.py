"""Runs a command that stands still once a training state whose path contains PART is complete.

    zygote.start(PART, "sft", "--model", ..., call="kit.held:main")

A test kills it there, so that no run ends before its kill.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from masksearch.runtime import resume


def hold_at(part: str) -> None:
    """Makes `mark_whole` never return for such a state, in every module that has imported it."""
    mark = resume.mark_whole

    def mark_and_wait(state: Path) -> None:
        mark(state)
        while part in str(state):
            time.sleep(60)

    for module in list(sys.modules.values()):
        if getattr(module, "mark_whole", None) is mark:
            module.mark_whole = mark_and_wait  # type: ignore[attr-defined]


def main(arguments: Sequence[str]) -> int:
    """Runs `masksearch ARGUMENTS[1:]`; the first argument is PART."""
    from masksearch.cli.main import main as command

    hold_at(arguments[0])
    return command(list(arguments[1:]))
