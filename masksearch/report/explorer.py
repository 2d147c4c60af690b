"""Builds the data of the explorer, the part of the page that shows single questions and trajectories.

The data are a small index, which the page unpacks when it opens, and blocks with the long texts, which it
unpacks when the reader opens one of their trajectories:

    index   {"stages": [{"title", "run", "kind", "suite", "method", "total", "shown"}],
             "tasks": [[id, title, text, golds, ramp, type, answer kind]],
             "fields": names of the columns, "records": one list per column, "blocks": trajectories per block,
             "kinds": kind of failure -> its meaning, "opens_with": number of the initially selected stage}
    block   [detail of a trajectory (`viewer.detail`), ...], in the order of the records

A record is one trajectory of one stage. A task is a question or a RAMP task. Records of several evaluations
on the same question have the same task, so that the page can compare them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pydantic import ValidationError

from masksearch.evaluation.failures import FAILURES
from masksearch.evaluation.rules import is_right, rule_of
from masksearch.report.load import Row, Stage
from masksearch.report.payload import as_json, blocks, packed
from masksearch.report.viewer import detail, numbers, verdict
from masksearch.types import Trajectory

FIELDS = (
    "stage",
    "task",
    "occurrence",
    "verdict",
    "status",
    "failure",
    "searches",
    "f1",
    "tokens",
    "seconds",
    "answer",
    "step",
    "fate",
)
TASK_CHARACTERS = 4000
"""Maximum number of characters of a task's text in the index."""
ANSWER_CHARACTERS = 120
"""Maximum number of characters of an answer in the index; the block holds the whole answer."""


@dataclass(frozen=True)
class Explorer:
    """The packed data of the explorer: the index and the blocks.

    They hold `shown` trajectories of the `total` trajectories of all stages.
    """

    index: str
    blocks: list[str]
    first: int
    """Number of the block that the page needs first: the first block of the initially selected evaluation."""
    shown: int
    total: int
    notes: list[str]
    """Notes for the page on rows that could not be read."""


def make_explorer(stages: Sequence[Stage], total: int, per_stage: int) -> Explorer:
    """Packs the trajectories of all stages. An evaluation's row without a trajectory is packed alone.

    Packs at most `total` trajectories, shared evenly among the stages, and at most `per_stage` trajectories
    of each stage.
    """
    found = [(stage, entries) for stage in stages if (entries := _entries(stage))]
    shares = fair_shares([min(len(entries), per_stage) for _, entries in found], total)
    table, notes = _Table(), []
    details: list[Row] = []
    heads = []
    for number, ((stage, entries), share) in enumerate(zip(found, shares, strict=True)):
        before, bad = len(details), 0
        for place in spread(len(entries), share):
            row, raw = entries[place]
            trajectory = _trajectory(raw)
            if trajectory is None and raw is not None:
                bad += 1
            if trajectory is not None or row:
                table.add(number, trajectory, row, raw or {}, _is_right(stage, row))
                details.append(detail(trajectory, row, raw or {}))
        if bad:
            notes.append(
                f"{bad} rows of the trajectories of '{stage.title}' are not valid and were left out."
            )
        heads.append(_head(stage, len(entries), len(details) - before))
    cut = list(blocks(details))
    opens_with = _opens_with(heads)
    before = sum(head["shown"] for head in heads[:opens_with])
    index = {
        "kinds": FAILURES,
        "opens_with": opens_with,
        "stages": heads,
        "tasks": table.tasks,
        "fields": FIELDS,
        "records": [[record[field] for record in table.records] for field in FIELDS],
        "blocks": [len(block) for block in cut],
    }
    texts = [packed(f"[{','.join(block)}]") for block in cut]
    first = next((number for number, end in enumerate(accumulate(map(len, cut))) if end > before), 0)
    return Explorer(
        packed(as_json(index)), texts, first, len(details), sum(len(entries) for _, entries in found), notes
    )


def _entries(stage: Stage) -> list[tuple[Row, Row | None]]:
    """Returns (row, trajectory) of every question of a stage, both as raw JSON objects.

    The row is the question's row in the results file; it is empty if the stage is not an evaluation. The
    trajectory is None if the trajectory file lacks the question.
    """
    if stage.results is None:
        return [({}, raw) for raw in stage.trajectories]
    lines = {str(raw.get("id")): raw for raw in stage.trajectories}
    return [(row, lines.get(str(row["id"]))) for row in stage.results.per_question]


def _trajectory(raw: Row | None) -> Trajectory | None:
    try:
        return Trajectory.model_validate(raw) if raw is not None else None
    except ValidationError:
        return None


def _is_right(stage: Stage, row: Row) -> bool | None:
    """Whether a question's answer is right by its evaluation's rule; None if the stage is no evaluation."""
    return is_right(row, rule_of(stage.results)) if stage.results and row else None


def _head(stage: Stage, total: int, shown: int) -> Row:
    results = stage.results
    return {
        "title": stage.title,
        "run": stage.run,
        "kind": stage.kind,
        "suite": results.suite if results else "",
        "method": results.method if results else "",
        "total": total,
        "shown": shown,
    }


def _opens_with(heads: Sequence[Row]) -> int:
    """Returns the number of the stage that the page selects at first: the run's own last evaluation.

    Returns 0 (the first stage) if the run has no evaluation with trajectories.
    """
    own = [number for number, head in enumerate(heads) if head["suite"] and head["shown"] and not head["run"]]
    return own[-1] if own else 0


class _Table:
    """Collects the tasks and records of the explorer's index, one record at a time."""

    def __init__(self) -> None:
        self.tasks: list[list[Any]] = []
        self.records: list[Row] = []
        self._places: dict[tuple[str, str], int] = {}
        self._occurrences: Counter[tuple[int, str]] = Counter()

    def add(self, stage: int, trajectory: Trajectory | None, row: Row, raw: Row, right: bool | None) -> None:
        """Adds the record of one trajectory, and its task if the index does not have the task yet.

        `stage` is the number of the stage, `row` the question's row in the results file (empty outside
        evaluations), `raw` the trajectory as a JSON object, `right` the verdict of the evaluation's rule.
        """
        key = str(row.get("id", trajectory.id if trajectory else ""))
        self._occurrences[stage, key] += 1
        scores = numbers(trajectory.scores) if trajectory else {}
        scores |= numbers(row)
        usage = numbers(trajectory.usage.to_json()) if trajectory else {}
        usage |= numbers(row)
        status = trajectory.status if trajectory else str(row.get("status", "answered"))
        failure = row["failure"] if isinstance(row.get("failure"), str) else None
        if row and failure is None and right is None:
            failure = "unjudged"
        answer = trajectory.answer if trajectory else str(row.get("prediction", ""))
        self.records.append(
            {
                "stage": stage,
                "task": self._task(key, trajectory, row),
                "occurrence": self._occurrences[stage, key],
                "verdict": verdict(status, scores, failure, right),
                "status": status.replace("_", " "),
                "failure": failure,
                "searches": usage.get("searches"),
                "f1": scores.get("f1"),
                "tokens": usage.get("model_tokens"),
                "seconds": usage.get("seconds"),
                "answer": answer[:ANSWER_CHARACTERS],
                "step": raw.get("step") if isinstance(raw.get("step"), int) else None,
                "fate": raw["fate"] if isinstance(raw.get("fate"), str) else "",
            }
        )

    def _task(self, key: str, trajectory: Trajectory | None, row: Row) -> int:
        task = trajectory.task if trajectory else {}
        ramp = task.get("kind") == "ramp" or "masks" in task
        text = str(task.get("text" if ramp else "question", ""))
        place = self._places.setdefault((key, text), len(self.tasks))
        if place == len(self.tasks):
            golds = task.get("answers") or row.get("answers") or []
            golds = [str(gold)[:TASK_CHARACTERS] for gold in golds] if isinstance(golds, list | tuple) else []
            kinds = [str(task.get("type") or row.get("type") or ""), str(row.get("answer_kind") or "")]
            title = str(task.get("title", ""))[:TASK_CHARACTERS]
            self.tasks.append([key, title, _shortened(text), golds, int(ramp), *kinds])
        return place


def _shortened(text: str) -> str:
    return text if len(text) <= TASK_CHARACTERS else text[: TASK_CHARACTERS - 1] + "…"


def spread(count: int, limit: int) -> list[int]:
    """Returns `limit` evenly spaced indices of range(count), starting with 0.

    Returns all indices if there are at most `limit` of them.
    """
    return list(range(count)) if count <= limit else [place * count // limit for place in range(limit)]


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Returns `sizes` with every size above a common maximum lowered to this maximum, so that the sum is at
    most `total`.

    Evaluations on the same questions have equal sizes. With a common maximum they also have equal shares, so
    `spread` keeps the same questions of each. If `total` is less than the number of sizes, the first `total`
    sizes become 1 and the others 0.
    """
    if len(sizes) > total:
        return [int(place < total) for place in range(len(sizes))]
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(size, middle) for size in sizes) <= total else (low, middle - 1)
    return [min(size, low) for size in sizes]
