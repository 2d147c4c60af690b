"""Worker processes that start within milliseconds, for tests that are not about the start of workers.

A server process that has imported everything forks itself for each worker, so the imports of a start, which
take seconds, are not repeated.
"""

from __future__ import annotations

from multiprocessing import get_context

import pytest

from masksearch.runtime import workers

IMPORTS = (
    "masksearch.cli.main",
    "masksearch.ramp.run.stage",
    "masksearch.synthesis.agents.stage",
    "masksearch.synthesis.agents.processes",
    "masksearch.search.index.bm25",
    "openai",
    "openai.types.chat",
)


def start_quickly(patch: pytest.MonkeyPatch) -> None:
    """Makes worker processes start in this way."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTS))
    patch.setattr(workers, "_SPAWN", context)
