"""The order of the test files, those that take longest first, and which tests a worker runs together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from kit.pages import commands
from kit.places import REPOSITORY

LONGEST = (
    "test_real_model.py",
    "test_pages.py",
    "test_evolve_stage.py",
    "test_notebook.py",
    "test_real_endpoint.py",
    "test_distributed.py",
    "test_whole_pipeline.py",
    "test_report_page.py",
    "test_agents_processes.py",
    "test_agents_crash.py",
    "test_real_llamacpp.py",
    "test_ask_page.py",
    "test_agents_ray.py",
    "test_rl_runs.py",
    "test_mask_survives.py",
    "test_inspect_tasks.py",
    "test_chain_stage.py",
    "test_run_recipe.py",
)
"""File names, the longest first. The other files take less than half a minute each."""
_PLACES = {name: place for place, name in enumerate(LONGEST)}


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Returns the tests with those of the longest files first, and otherwise as collected."""
    return sorted(items, key=lambda item: _PLACES.get(item.path.name, len(LONGEST)))


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Returns xdist's scheduler that gives a worker all tests of one `together`; None without `loadfile`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Together(config, log)


def together(nodeid: str) -> str:
    """Returns the name of the tests that one worker runs: those of a file, which share its fixtures, or of a
    page of the documentation. The pages that run the demo share its run."""
    file, _, test = nodeid.partition("::")
    if not file.endswith("/test_pages.py") or not test.endswith("]"):
        return file
    page = test.partition("[")[2][:-1]
    return f"{file}[{'demo' if _runs_demo(page) else page}]"


@cache
def _runs_demo(page: str) -> bool:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return any(command.text.startswith(("make demo", "masksearch run demo")) for command in commands(text))
