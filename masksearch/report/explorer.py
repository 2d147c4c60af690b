"""What the per-question explorer works on: one small index of all questions, and the texts in blocks that are unpacked when looked at.

    index   {"stages": [{"title", "run", "kind", "suite", "method", "total", "shown"}],
             "tasks": [[id, title, text, golds, ramp, type, answer kind]],
             "fields": names of the columns, "records": one list a column, "blocks": trajectories in each block,
             "kinds": kind of failure -> what it means, "opens_with": number of the stage that is shown at first}
    block   [detail of a trajectory (`viewer.detail`), ...], in the order of the records

Records of the same question under several evaluations share a task, by which the page sets them side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pydantic import ValidationError

from masksearch.evaluation.failures import FAILURES
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
ANSWER_CHARACTERS = 120
"""What the list of all questions holds of a text; the answer's rest is in the block."""


@dataclass(frozen=True)
class Explorer:
    """The explorer's data, packed; `shown` of `total` trajectories are in it, `bad` rows were none."""

    index: str
    blocks: list[str]
    first: int
    """The block that the page needs first: that of the evaluation it opens with."""
    shown: int
    total: int
    notes: list[str]


def make_explorer(stages: Sequence[Stage], total: int, per_stage: int) -> Explorer:
    """The data of all stages with trajectories or rows of questions: at most `total`, shared evenly, and `per_stage` of one stage."""
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
                table.add(number, trajectory, row, raw or {})
                details.append(detail(trajectory, row, raw or {}))
        if bad:
            notes.append(
                f"{bad} rows of the trajectories of '{stage.title}' are no trajectories and were left out."
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
    """(the evaluation's row, the trajectory's line) of every question; the row is empty outside evaluations, the line None where it is lost."""
    if stage.results is None:
        return [({}, raw) for raw in stage.trajectories]
    lines = {str(raw.get("id")): raw for raw in stage.trajectories}
    return [(row, lines.get(str(row["id"]))) for row in stage.results.per_question]


def _trajectory(raw: Row | None) -> Trajectory | None:
    try:
        return Trajectory.model_validate(raw) if raw is not None else None
    except ValidationError:
        return None


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
    """The number of the run's last evaluation; of its first stage where there is none."""
    own = [number for number, head in enumerate(heads) if head["suite"] and head["shown"] and not head["run"]]
    return own[-1] if own else 0


class _Table:
    """Tasks and records as they come in."""

    def __init__(self) -> None:
        self.tasks: list[list[Any]] = []
        self.records: list[Row] = []
        self._places: dict[tuple[str, str], int] = {}
        self._seen: Counter[tuple[int, str]] = Counter()

    def add(self, stage: int, trajectory: Trajectory | None, row: Row, raw: Row) -> None:
        """One record more; `stage` is its number."""
        key = str(row.get("id", trajectory.id if trajectory else ""))
        self._seen[stage, key] += 1
        scores = numbers(trajectory.scores) if trajectory else {}
        scores |= numbers(row)
        usage = numbers(trajectory.usage.to_json()) if trajectory else {}
        usage |= numbers(row)
        status = trajectory.status if trajectory else str(row.get("status", "answered"))
        failure = row["failure"] if isinstance(row.get("failure"), str) else None
        answer = trajectory.answer if trajectory else str(row.get("prediction", ""))
        self.records.append(
            {
                "stage": stage,
                "task": self._task(key, trajectory, row),
                "occurrence": self._seen[stage, key],
                "verdict": verdict(status, scores, failure),
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
            self.tasks.append(
                [
                    key,
                    str(task.get("title", ""))[:TASK_CHARACTERS],
                    _shortened(text),
                    golds,
                    int(ramp),
                    *kinds,
                ]
            )
        return place


def _shortened(text: str) -> str:
    return text if len(text) <= TASK_CHARACTERS else text[: TASK_CHARACTERS - 1] + "…"


def spread(count: int, limit: int) -> list[int]:
    """`limit` indices evenly over range(count), the first always among them; all where there are no more."""
    return list(range(count)) if count <= limit else [place * count // limit for place in range(limit)]


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """How much of each size is kept so that at most `total` remains: up to a level that is the same for all.

    So evaluations of the same questions keep the same ones. Where not even one of each fits, the first ones keep one.
    """
    if len(sizes) > total:
        return [int(place < total) for place in range(len(sizes))]
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(size, middle) for size in sizes) <= total else (low, middle - 1)
    return [min(size, low) for size in sizes]
