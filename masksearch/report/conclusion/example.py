"""One question before and after training, with both trajectories.

The rule is fixed, so that nobody can choose a nice one: the first question, in the order of the file, that
was wrong before, is right now, and whose gold answers all occur in results that the model was shown. If there
is none, the last condition is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from masksearch.evaluation.evidence import appears_in
from masksearch.evaluation.rules import is_right
from masksearch.report.conclusion.suites import Side, Suite, label_of
from masksearch.report.load import Row, Run, read_trajectories
from masksearch.report.viewer import segments
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.types import MaskedTask, Task, Trajectory, task_from_json

GROUNDED = "the first that was wrong before, is right now, and whose answer occurs in the search results"
TURNED = "the first that was wrong before and is right now; its answer occurs in no search result"
ALONE = "the first right answer that occurs in the search results; there is no evaluation before training"
_RESULT = re.compile(r"^\[\d+\] (.+?): ", re.MULTILINE)
"""Matches the title of a search result in an information block."""


@dataclass(frozen=True)
class Part:
    """A part of a trajectory: its kind (think, search, open, information, answer, other) and its text.

    The text of the kind `information` is the titles of the results.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Account:
    """How one model dealt with the question."""

    model: str
    parts: tuple[Part, ...]
    answer: str
    right: bool
    valid: bool


@dataclass(frozen=True)
class Example:
    """A question with its gold answers and one or two accounts of it."""

    suite: str
    rule: str
    task: Task
    before: Account | None
    after: Account
    index: str
    """The index that the trained model searched."""

    @property
    def asked(self) -> str:
        """The question, or the text with masks."""
        return self.task.text if isinstance(self.task, MaskedTask) else self.task.question

    @property
    def gold(self) -> str:
        """The gold answers in one line: those of all masks, or the first one of a question."""
        return "; ".join(self.task.answers) if isinstance(self.task, MaskedTask) else self.task.answers[0]

    @property
    def queries(self) -> tuple[str, ...]:
        """The trained model's searches."""
        return tuple(part.text for part in self.after.parts if part.kind == "search")


def find_example(run: Run, suites: Sequence[Suite]) -> Example | None:
    """Returns the example of the first suite that has one; suites with an evaluation before come first."""
    ordered = sorted(suites, key=lambda suite: suite.before is None)
    return next(filter(None, (_of_suite(run, suite) for suite in ordered)), None)


def _of_suite(run: Run, suite: Suite) -> Example | None:
    after, before = suite.after, suite.before
    if after is None:
        return None
    rows, records = _rows(after), _records(run, after)
    rows_before = _rows(before) if before else {}
    records_before = _records(run, before) if before else {}
    found = [key for key, row in rows.items() if is_right(row, after.rule) and key in records]
    if before:
        wrong = {key for key, row in rows_before.items() if is_right(row, before.rule) is False}
        found = [key for key in found if key in wrong and key in records_before]
    grounded = next((key for key in found if _grounded(records[key])), None)
    key = grounded or (found[0] if found and before else None)
    if key is None:
        return None
    return Example(
        suite=suite.name,
        rule=ALONE if before is None else GROUNDED if grounded else TURNED,
        task=task_from_json(records[key].task),
        before=_account(before, rows_before[key], records_before[key]) if before else None,
        after=_account(after, rows[key], records[key]),
        index=str(after.first.settings.get("index", "")),
    )


def _rows(side: Side) -> dict[str, Row]:
    return {str(row["id"]): row for row in side.first.per_question}


def _records(run: Run, side: Side) -> dict[str, Trajectory]:
    """Returns the trajectories of a side's first seed by the ids of their questions; invalid lines are
    skipped."""
    stage = next(stage for stage in run.stages if stage.name == side.stages[0] and not stage.run)
    lines = stage.trajectories or (read_trajectories(stage.folder) if stage.folder else [])
    found = {}
    for line in lines:
        try:
            trajectory = Trajectory.model_validate(line)
            task_from_json(trajectory.task)
        except ValidationError:
            continue
        found[trajectory.id] = trajectory
    return found


def _grounded(trajectory: Trajectory) -> bool:
    """Whether the results that the model was shown contain its task's answers: of a RAMP task all of them,
    of a question one that is not yes or no."""
    task = task_from_json(trajectory.task)
    language = task.language if isinstance(task, MaskedTask) else ""
    shown = " ".join(turn.text for turn in trajectory.turns if turn.role == "tool")
    enough: Callable[[Any], bool] = all if isinstance(task, MaskedTask) else any
    golds = [gold for gold in task.answers if normalise(gold, language) not in CLOSED_ANSWERS]
    return bool(golds) and enough(appears_in(gold, shown, language) for gold in golds)


def _account(side: Side, row: Mapping[str, Any], trajectory: Trajectory) -> Account:
    parts = []
    for turn in trajectory.turns:
        for kind, text in segments(turn):
            if kind == "information":
                text = "  ".join(f"[{place}] {title}" for place, title in enumerate(_RESULT.findall(text), 1))
            parts.append(Part(kind, text))
    right = bool(is_right(row, side.rule))
    return Account(label_of(side), tuple(parts), trajectory.answer, right, bool(row.get("valid", 1)))
