"""The versions of the oracle teacher by name."""

from __future__ import annotations

from functools import partial
from typing import Literal

from masksearch.agent.settings import AgentSettings
from masksearch.synthesis.oracle import first, second
from masksearch.synthesis.oracle.planned.masks import masked_turns
from masksearch.synthesis.oracle.planned.questions import question_turns
from masksearch.synthesis.oracle.planned.steps import step_turns
from masksearch.synthesis.oracle.teacher import Oracle, Turns
from masksearch.types import MaskedTask, Task

Version = Literal["planned", "first", "second"]
NAMES = {"planned": "oracle-planned", "first": "oracle", "second": "oracle-2"}
"""Version -> model name on the trajectory."""


def make_oracle(task: Task, settings: AgentSettings, version: Version = "planned") -> Oracle:
    """Returns the teacher for one task."""
    return Oracle(task, settings, NAMES[version], partial(_plan, version=version))


def _plan(oracle: Oracle, version: Version) -> Turns:
    task = oracle.task
    if version == "planned" and task.steps:
        return step_turns(oracle, task)
    if version == "planned" and not isinstance(task, MaskedTask):
        return question_turns(oracle, task)
    if version == "planned" and isinstance(task, MaskedTask) and task.language in ("", "en"):
        return masked_turns(oracle, task)
    if isinstance(task, MaskedTask):
        return second.ramp_turns(oracle, task) if version == "second" else first.ramp_turns(oracle, task)
    return second.question_turns(oracle, task) if version == "second" else first.question_turns(oracle, task)
