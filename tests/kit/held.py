"""Runs a command that stands still once a training state whose path contains PART is complete.

    python -m kit.held PART sft --model ...

A test kills it there, so that no run ends before its kill.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from kit.places import REPOSITORY

from masksearch.runtime import resume

COMMAND = (sys.executable, "-m", "kit.held")
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests"))),
    "MASKSEARCH_RESTARTED": "1",
    "OMP_NUM_THREADS": "1",
}


def hold_at(part: str) -> None:
    """Makes `mark_whole` never return for such a state. Call it before other modules import `mark_whole`."""
    mark = resume.mark_whole

    def mark_and_wait(state: Path) -> None:
        mark(state)
        while part in str(state):
            time.sleep(60)

    resume.mark_whole = mark_and_wait


if __name__ == "__main__":
    hold_at(sys.argv[1])
    from masksearch.cli.main import main

    sys.exit(main(sys.argv[2:]))
