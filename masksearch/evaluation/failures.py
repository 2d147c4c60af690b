"""What went wrong with a question, told from the record alone: one kind each, the first that fits in the order of FAILURES.

An answer is right where the strict judge says so; where there is no verdict, from an F1 of RIGHT_AT on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from masksearch.agent.protocol import CONTROL
from masksearch.evaluation.evidence import stands_in
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.types import MaskedTask, Task, Trajectory

RIGHT = "right"
RIGHT_AT = 0.5
"""F1 from which an answer counts as right without a judge: as for RL's dynamic sampling."""
FAILURES = {
    "failed": "the endpoint or a search failed",
    "ran_out": "ran out of turns or of tokens before an answer",
    "bad_format": "ended without a search or an answer that can be read",
    "over_long": "the gold stands in an answer too long to count",
    "answer_lost": "had written the right answer, and answered otherwise",
    "never_searched": "never searched",
    "not_retrieved": "searched, but never saw the evidence",
    "not_used": "saw the evidence, and did not use it",
}
"""Kind -> what it means."""

Row = Mapping[str, Any]


def is_right(row: Row) -> bool:
    """Whether a row of results counts as right."""
    verdict = row.get("judge_strict")
    return bool(verdict) if verdict is not None else float(row["f1"]) >= RIGHT_AT


def failure(row: Row, trajectory: Trajectory, task: Task, on_purpose: bool = False) -> str:
    """The kind of failure of a row that holds everything else; "" where it is right. `on_purpose`: searches were made to fail, which excuses nothing."""
    if is_right(row):
        return ""
    if trajectory.status == "model_failed" or (
        not on_purpose and (trajectory.status == "search_failed" or trajectory.search_errors)
    ):
        return "failed"
    if trajectory.status in ("too_many_searches", "too_long"):
        return "ran_out"
    if trajectory.status == "no_answer" and not trajectory.answer:
        return "bad_format"
    # A short answer that holds the gold is wrong by the judge alone: it is neither too long nor lost.
    if row["cover_em"] and row["f1"] < RIGHT_AT:
        return "over_long"
    if not row["cover_em"] and had_written(trajectory, task):
        return "answer_lost"
    if not row["searches"]:
        return "never_searched"
    return "not_used" if row.get("evidence", 1) else "not_retrieved"


def had_written(trajectory: Trajectory, task: Task) -> bool:
    """Whether a right answer stands in what the model wrote before its final answer. Yes, no, and what stands in the task itself, tell nothing."""
    language = task.language if isinstance(task, MaskedTask) else ""
    asked = task.text if isinstance(task, MaskedTask) else task.question
    # The metric drops punctuation: a tag would stick to the word beside it.
    written = CONTROL.sub(" ", _before_answer(trajectory))
    telling = [
        gold
        for gold in task.answers
        if normalise(gold, language) not in CLOSED_ANSWERS and not stands_in(gold, asked, language)
    ]
    if isinstance(task, MaskedTask) and len(telling) < task.masks:
        return False
    found = [stands_in(gold, written, language) for gold in telling]
    return bool(found) and (all(found) if isinstance(task, MaskedTask) else any(found))


def _before_answer(trajectory: Trajectory) -> str:
    """All that the model wrote but its final answer; "" where it gave none."""
    said = " ".join(turn.text for turn in trajectory.turns if turn.role == "model")
    if not trajectory.answer:
        return ""
    # Only where it stands last: an answer that is a part of the gold would take that out of the thoughts as well.
    before, _, after = said.rpartition(trajectory.answer)
    return f"{before} {after}"


def count_failures(rows: Iterable[Row]) -> dict[str, int]:
    """Kind -> how many rows, in the order of FAILURES, the right ones first."""
    counts = Counter(row["failure"] or RIGHT for row in rows)
    return {kind: counts[kind] for kind in (RIGHT, *FAILURES) if counts[kind]}
