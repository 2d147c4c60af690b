"""Brings predictions and tasks together: by id, or by the question's text where the file has no known id.

Everything that does not fit is counted: questions without a prediction, predictions without a question,
repeated ones, empty ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from masksearch.errors import DataError, FormatError
from masksearch.evaluation.predictions.answers import Part, answer_of
from masksearch.evaluation.predictions.layouts import Prediction
from masksearch.types import MaskedTask, Task

Repeated = Literal["refuse", "first", "last"]
SHOWN = 3
"""Number of ids that a message names."""


@dataclass(frozen=True)
class Counts:
    """What happened to the predictions and questions of a scoring."""

    by: str
    """`id` or `question`: what predictions and questions were matched by."""
    matched: int
    missing: int
    """Questions without a prediction."""
    unknown: int
    """Predictions that belong to no question."""
    repeated: int
    """Further predictions for a question that has one."""
    empty: int
    """Matched predictions that hold no answer."""

    def to_json(self) -> dict[str, Any]:
        """Returns the counts as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Matched:
    """The answers to the tasks that have a prediction, by the task's id, and the counts."""

    answers: Mapping[str, str]
    missing: tuple[str, ...]
    """Ids of the tasks without a prediction."""
    unknown: tuple[Prediction, ...]
    counts: Counts


def match(
    predictions: Sequence[Prediction], tasks: Sequence[Task], part: Part, repeated: Repeated
) -> Matched:
    """Returns the answer to each task that has a prediction.

    Raises DataError if no prediction fits a task, FormatError for a prediction that is not text, and for
    different predictions for one task where `repeated` is refuse.
    """
    by, keys = _keys(predictions, tasks)
    groups: dict[str, list[Prediction]] = {}
    unknown: list[Prediction] = []
    for prediction, key in zip(predictions, keys, strict=True):
        if key:
            groups.setdefault(key, []).append(prediction)
        else:
            unknown.append(prediction)
    if not groups:
        raise DataError(_no_match(predictions, tasks))
    by_id = {task.id: task for task in tasks}
    answers = {key: _chosen(by_id[key], group, part, repeated) for key, group in groups.items()}
    missing = tuple(task.id for task in tasks if task.id not in answers)
    counts = Counts(
        by=by,
        matched=len(answers),
        missing=len(missing),
        unknown=len(unknown),
        repeated=sum(len(group) - 1 for group in groups.values()),
        empty=sum(not answer.strip() for answer in answers.values()),
    )
    return Matched(answers, missing, tuple(unknown), counts)


def _keys(predictions: Sequence[Prediction], tasks: Sequence[Task]) -> tuple[str, list[str]]:
    """Returns what was matched by, and the id of each prediction's task; empty where there is none."""
    known = {task.id for task in tasks}
    by_id = [one.id if one.id in known else "" for one in predictions]
    if any(by_id):
        return "id", by_id
    places: dict[str, list[str]] = {}
    for task in tasks:
        places.setdefault(_bare(_text(task)), []).append(task.id)
    by_question = [places.get(_bare(one.question), []) if one.question else [] for one in predictions]
    double = next((found for found in by_question if len(found) > 1), None)
    if double:
        raise DataError(
            f"The predictions name no known id, and the questions {_listed(double)} have the same text; "
            "write the questions' ids into the predictions."
        )
    return "question", [found[0] if found else "" for found in by_question]


def _text(task: Task) -> str:
    return task.text if isinstance(task, MaskedTask) else task.question


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip("?. ")


def _no_match(predictions: Sequence[Prediction], tasks: Sequence[Task]) -> str:
    theirs = [one.id for one in predictions if one.id]
    shown = f"their ids are {_listed(theirs)}" if theirs else "they have no ids"
    return (
        f"None of the {len(predictions)} predictions belongs to one of the {len(tasks)} questions: {shown}, "
        f"those of the questions {_listed([task.id for task in tasks])}; name the file of the questions that "
        "were answered, or write their ids, or their texts as 'question', into the predictions."
    )


def _listed(ids: Iterable[str]) -> str:
    found = list(ids)
    rest = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(f"'{one[:60]}'" for one in found[:SHOWN]) + rest


def _chosen(task: Task, group: Sequence[Prediction], part: Part, repeated: Repeated) -> str:
    """Returns the answer of the prediction that counts."""
    answers = [_answer(task, one, part) for one in group]
    if repeated == "refuse" and len(set(answers)) > 1:
        other = next(number for number, answer in enumerate(answers) if answer != answers[0])
        raise FormatError(
            f"{group[other].place} is another prediction for the question '{task.id}' than that of "
            f"{group[0].place}; remove one of them, or choose with --repeated first or --repeated last."
        )
    return answers[-1 if repeated == "last" else 0]


def _answer(task: Task, prediction: Prediction, part: Part) -> str:
    """Returns the answer in a prediction; empty for null. Raises FormatError for what is no text."""
    value = prediction.value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return answer_of(value, part, prediction.rollout)
    fills = isinstance(value, list) and all(isinstance(fill, str) for fill in value)
    if isinstance(task, MaskedTask) and fills and len(value) == task.masks:
        return "\n".join(f"{number}. {' '.join(fill.split())}" for number, fill in enumerate(value, 1))
    wanted = "text, or a list of one fill for each mask," if isinstance(task, MaskedTask) else "text"
    raise FormatError(
        f"{prediction.place} has a prediction for the question '{task.id}' that is not {wanted} but a "
        f"{type(value).__name__}; write the answer as text."
    )


def sentences(matched: Matched, missing: str) -> list[str]:
    """Returns what a user must know of the matching: one sentence for each kind of misfit."""
    counts, found = matched.counts, []
    if counts.by == "question":
        found.append("No id of the predictions is known, so they were matched by the questions' texts.")
    if counts.missing:
        outcome = "left out" if missing == "leave-out" else "counted as wrong"
        found.append(
            f"Questions without a prediction, {outcome}: {counts.missing} ({_listed(matched.missing)})."
        )
    if counts.unknown:
        names = _listed(one.id or one.question for one in matched.unknown)
        found.append(f"Predictions that belong to no question, ignored: {counts.unknown} ({names}).")
    if counts.repeated:
        found.append(f"Predictions that repeat a question: {counts.repeated}.")
    if counts.empty:
        found.append(f"Predictions that hold no answer, counted as wrong: {counts.empty}.")
    return found
