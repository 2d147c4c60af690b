"""Failure analysis: one kind of failure for each wrong answer.

The kind is computed from the trajectory and its scores alone. Each wrong answer gets the first kind that
applies, in the order of FAILURES. An answer is right if the strict judge accepts it; without a verdict,
if its F1 is at least RIGHT_AT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from masksearch.agent.protocol import CONTROL
from masksearch.evaluation.evidence import appears_in
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.types import MaskedTask, Task, Trajectory

RIGHT = "right"
RIGHT_AT = 0.5
"""F1 from which an answer counts as right without a judge; the same threshold as RL's dynamic sampling."""
FAILURES = {
    "failed": "the endpoint or a search failed",
    "ran_out": "ran out of turns or of tokens before answering",
    "bad_format": "ended without a parsable search or answer",
    "over_long": "the answer contains the gold answer but is too long to count as right",
    "answer_lost": "wrote the right answer earlier, but gave another final answer",
    "never_searched": "never searched",
    "not_retrieved": "searched, but did not retrieve all evidence",
    "not_used": "retrieved the evidence, but did not use it",
}
"""Kind of failure -> its description in reports."""

Row = Mapping[str, Any]


def is_right(row: Row) -> bool:
    """Whether a row of a results file counts as right."""
    verdict = row.get("judge_strict")
    return bool(verdict) if verdict is not None else float(row["f1"]) >= RIGHT_AT


def failure(row: Row, trajectory: Trajectory, task: Task, on_purpose: bool = False) -> str:
    """Returns the kind of failure of a row that lacks only `failure`; empty for a right answer.

    `on_purpose`: the evaluation makes searches fail as noise, so a failed search does not make the
    question `failed`.
    """
    if is_right(row):
        return ""
    search_failed = trajectory.status == "search_failed" or bool(trajectory.search_errors)
    if trajectory.status == "model_failed" or (search_failed and not on_purpose):
        return "failed"
    if trajectory.status in ("too_many_searches", "too_long"):
        return "ran_out"
    if trajectory.status == "no_answer" and not trajectory.answer:
        return "bad_format"
    # A short answer that contains the gold is wrong by the judge's verdict alone: it is neither too long
    # nor lost.
    if row["cover_em"] and row["f1"] < RIGHT_AT:
        return "over_long"
    if not row["cover_em"] and wrote_answer_earlier(trajectory, task):
        return "answer_lost"
    if not row["searches"]:
        return "never_searched"
    return "not_used" if row.get("evidence", 1) else "not_retrieved"


def wrote_answer_earlier(trajectory: Trajectory, task: Task) -> bool:
    """Whether the model wrote a right answer before its final answer.

    Gold answers yes and no, and gold answers that occur in the task's own text, do not count: a model writes
    them anyway. A RAMP task needs the answers of all its masks.
    """
    language = task.language if isinstance(task, MaskedTask) else ""
    asked = task.text if isinstance(task, MaskedTask) else task.question
    # The metric drops punctuation, which would join a tag to the word next to it.
    written = CONTROL.sub(" ", _before_answer(trajectory))
    golds = [
        gold
        for gold in task.answers
        if normalise(gold, language) not in CLOSED_ANSWERS and not appears_in(gold, asked, language)
    ]
    found = [appears_in(gold, written, language) for gold in golds]
    if isinstance(task, MaskedTask):
        return len(golds) >= task.masks and bool(found) and all(found)
    return any(found)


def _before_answer(trajectory: Trajectory) -> str:
    """Returns all text of the model except its final answer; empty without a final answer."""
    written = " ".join(turn.text for turn in trajectory.turns if turn.role == "model")
    if not trajectory.answer:
        return ""
    # Removes the last occurrence only: an answer that is a part of the gold would remove the gold from
    # the thoughts too.
    before, _, after = written.rpartition(trajectory.answer)
    return f"{before} {after}"


def count_failures(rows: Iterable[Row]) -> dict[str, int]:
    """Returns the number of rows of each kind, with `right` first, then in the order of FAILURES.

    Kinds without rows are omitted.
    """
    counts = Counter(row["failure"] or RIGHT for row in rows)
    return {kind: counts[kind] for kind in (RIGHT, *FAILURES) if counts[kind]}
