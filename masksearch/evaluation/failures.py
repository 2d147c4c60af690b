"""Failure analysis: assigns one kind of failure to each wrong answer.

The kind is computed from the trajectory and its scores, without a model. If several kinds apply, the first
one in the order of FAILURES counts. `rules` has the rules by which an answer is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from masksearch.agent.protocol import CONTROL
from masksearch.evaluation.evidence import appears_in
from masksearch.evaluation.rules import passes
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.types import MaskedTask, Task, Trajectory

RIGHT = "right"
FAILURES = {
    "failed": "the endpoint or a search failed",
    "unjudged": "the strict judge gave no readable verdict, so the answer is neither right nor wrong",
    "ran_out": "ran out of turns or of tokens before answering",
    "bad_format": "ended without a parsable search or answer",
    "over_long": "the answer contains the gold answer but is too long to count as right",
    "answer_lost": "wrote the right answer earlier, but gave another final answer",
    "not_known": "answered from memory, without a search to use, and wrong",
    "never_searched": "could search, and never did",
    "not_retrieved": "searched, but did not retrieve all evidence",
    "not_used": "retrieved the evidence, but did not use it",
    "not_recorded": "right by an earlier version's rule and wrong by this one's; the kind is not recorded",
}
"""Kind of failure -> its description in reports."""

Row = Mapping[str, Any]


def failure(
    row: Row, trajectory: Trajectory, task: Task, on_purpose: bool = False, searches: bool = True
) -> str:
    """Returns the kind of failure of a question; empty for a right answer.

    `row` is the question's row in the results file, complete except for the column `failure`. `on_purpose`
    is true if the noise setting makes searches fail; then a failed search alone does not make a question
    `failed`. `searches` is false if the method has no search.
    """
    if row.get("right"):
        return ""
    search_failed = trajectory.status == "search_failed" or bool(trajectory.search_errors)
    if trajectory.status == "model_failed" or (search_failed and not on_purpose):
        return "failed"
    if "right" not in row:
        return "unjudged"
    if trajectory.status in ("too_many_searches", "too_long"):
        return "ran_out"
    if trajectory.status == "no_answer" and not trajectory.answer:
        return "bad_format"
    # An answer that contains the gold and has a high F1 is wrong only because the judge rejected it. It is
    # neither `over_long` nor `answer_lost`.
    covered = row.get("cover_em_all", row["cover_em"]) == 1
    if covered and not passes(row):
        return "over_long"
    if not covered and wrote_answer_earlier(trajectory, task):
        return "answer_lost"
    if not searches:
        return "not_known"
    if not row["searches"]:
        return "never_searched"
    return "not_used" if row.get("evidence", 1) else "not_retrieved"


def wrote_answer_earlier(trajectory: Trajectory, task: Task) -> bool:
    """Whether the model wrote a right answer outside its final answer, for example in its thoughts.

    Two sorts of gold answers do not count, because a model writes them without knowing that they are right:
    yes and no, and words of the task's own text. For a RAMP task, the model must have written the answers
    of all masks.
    """
    language = task.language if isinstance(task, MaskedTask) else ""
    asked = task.text if isinstance(task, MaskedTask) else task.question
    # Tags become spaces, because normalising drops only their brackets ("<answer>Paris" -> "answerparis").
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
    """Returns everything that the model wrote except its final answer; empty without a final answer."""
    written = " ".join(turn.text for turn in trajectory.turns if turn.role == "model")
    if not trajectory.answer:
        return ""
    # Only the last occurrence of the answer is removed. If the answer is a part of the gold, removing all
    # occurrences would also damage the gold in the thoughts.
    before, _, after = written.rpartition(trajectory.answer)
    return f"{before} {after}"


def count_failures(rows: Iterable[Row]) -> dict[str, int]:
    """Returns the number of rows of each kind: `right` first, then the kinds of failure in the order of
    FAILURES.

    Kinds without rows are omitted.
    """
    counts = Counter(row["failure"] or RIGHT for row in rows)
    return {kind: counts[kind] for kind in (RIGHT, *FAILURES) if counts[kind]}
