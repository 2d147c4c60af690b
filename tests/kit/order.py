"""The order of the test files: those that take longest first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

LONGEST = (
    "test_real_model.py",
    "test_real_endpoint.py",
    "test_mask_survives.py",
    "test_report_page.py",
    "test_whole_pipeline.py",
    "test_pages.py",
    "test_agents_processes.py",
    "test_agents_crash.py",
    "test_distributed.py",
    "test_evolve_stage.py",
    "test_agents_ray.py",
    "test_rl_runs.py",
    "test_inspect_tasks.py",
    "test_run_recipe.py",
)
"""File names, the longest first. The other files take less than half a minute each."""
_PLACES = {name: place for place, name in enumerate(LONGEST)}


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Returns the tests with those of the longest files first, and otherwise as collected."""
    return sorted(items, key=lambda item: _PLACES.get(item.path.name, len(LONGEST)))
