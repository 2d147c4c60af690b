"""The versions of the oracle teacher by name."""

from __future__ import annotations

from functools import partial
from typing import Literal

from masksearch.agent.settings import AgentSettings
from masksearch.synthesis.oracle import first, second
from masksearch.synthesis.oracle.teacher import Oracle, Turns
from masksearch.types import MaskedTask, Task

Version = Literal["first", "second"]
NAMES = {"first": "oracle", "second": "oracle-2"}
"""Version -> model name on the trajectory."""


def make_oracle(task: Task, settings: AgentSettings, version: Version = "first") -> Oracle:
    """Returns the teacher for one task."""
    return Oracle(task, settings, NAMES[version], partial(_plan, version=version))


def _plan(oracle: Oracle, version: Version) -> Turns:
    task = oracle.task
    if isinstance(task, MaskedTask):
        return second.ramp_turns(oracle, task) if version == "second" else first.ramp_turns(oracle, task)
    return second.question_turns(oracle, task) if version == "second" else first.question_turns(oracle, task)
