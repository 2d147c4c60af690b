"""`masksearch stats TASKS`: counts of the tasks in a file or folder, and of dropped passages by reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

from pydantic import ValidationError

from masksearch.errors import DataError, FormatError
from masksearch.ramp.run.product import MANIFEST
from masksearch.ramp.run.tally import survival_table
from masksearch.runtime.records import explain, read_rows
from masksearch.types import MaskedTask, Question, Task

MOST_ROWS = 25
"""Maximum number of rows of a table."""
LARGEST_SAMPLE = 100_000
"""Maximum number of lengths that are kept to compute quantiles, so that memory stays constant."""

DROPPED = (
    ("dropped", "dropped passages, by reason"),
    ("spans_refused", "refused spans, by reason"),
    ("spans_dropped", "rejected spans, by reason"),
)
"""(key of the counts in the report, title of their table)."""


CHAINED = ("shapes", "hops", "forms", "needs")
"""Counts that only chained tasks have."""


def _text(task: Task) -> str:
    return task.text if isinstance(task, MaskedTask) else task.question


def _title(task: Task) -> str:
    if isinstance(task, MaskedTask):
        return task.title
    return ", ".join(task.supporting_titles)


class _Sample:
    """A random sample of added numbers (reservoir sampling), with their exact minimum and maximum."""

    def __init__(self, seed: str) -> None:
        self._rng, self._count = Random(seed), 0
        self.values: list[int] = []
        self.low = self.high = 0

    def add(self, value: int) -> None:
        self.low = min(self.low, value) if self._count else value
        self.high = max(self.high, value)
        self._count += 1
        if len(self.values) < LARGEST_SAMPLE:
            self.values.append(value)
        elif (place := self._rng.randrange(self._count)) < LARGEST_SAMPLE:
            self.values[place] = value

    def summary(self) -> dict[str, float]:
        tenths = (
            quantiles(self.values, n=10, method="inclusive") if len(self.values) > 1 else [self.values[0]] * 9
        )
        return {"min": self.low, "p10": tenths[0], "median": tenths[4], "p90": tenths[8], "max": self.high}


def describe(path: Path, examples: int = 3) -> dict[str, Any]:
    """Returns counts by number of masks, category, language and drop reason; lengths in words; and examples.

    Raises DataError without tasks, FormatError for a record that is not a RAMP task.
    """
    counts: dict[str, Counter[str]] = {
        name: Counter()
        for name in (
            "masks",
            "shapes",
            "hops",
            "forms",
            "needs",
            "categories",
            "languages",
            "strategies",
            "checks",
        )
    }
    words, answers = _Sample("text"), _Sample("answer")
    shown: list[Task] = []
    rng, total = Random("examples"), 0
    for task in _tasks(path):
        total += 1
        if isinstance(task, MaskedTask):
            counts["masks"][str(task.masks)] += 1
            counts["categories"].update(task.categories or ["not named"])
            counts["languages"][task.language or "not named"] += 1
            if not task.shape:
                counts["strategies"][task.strategy or "not named"] += 1
        if task.shape:
            counts["shapes"][task.shape] += 1
            counts["hops"][str(task.hops)] += 1
            counts["forms"][task.form] += 1
            counts["needs"][
                task.steps[-1].need if task.steps and task.steps[-1].subject else "the article"
            ] += 1
        counts["checks"].update(list(task.verdicts))
        words.add(len(_text(task).split()))
        for answer in task.answers:
            answers.add(len(answer.split()))
        if len(shown) < examples:
            shown.append(task)
        elif examples and (place := rng.randrange(total)) < examples:
            shown[place] = task
    report = _report_of(path)
    report_keys = ("passages_seen", "dropped", "spans_refused", "spans_dropped", "survival", "set_aside")
    return {
        "tasks": total,
        **{
            name: dict(sorted(count.items()) if name in ("masks", "hops") else count.most_common())
            for name, count in counts.items()
            if count or name not in CHAINED
        },
        "words_of_text": words.summary(),
        "words_of_answer": answers.summary(),
        **{name: report[name] for name in report_keys if report.get(name)},
        "examples": [
            {"id": task.id, "title": _title(task), "text": _text(task), "answers": list(task.answers)}
            for task in shown
        ],
    }


def _tasks(path: Path) -> Iterator[Task]:
    empty = True
    for place, value in read_rows(path):
        kind = Question if value.get("shape") and "masks" not in value else MaskedTask
        try:
            yield kind.model_validate(value)
        except ValidationError as error:
            raise FormatError(f"{place} is not a RAMP task: it {explain(error)}.") from error
        empty = False
    if empty:
        raise DataError(f"{path} has no tasks.")


def _report_of(path: Path) -> dict[str, Any]:
    """Reads the report of the run that made the tasks, from the tasks' folder or the run's work folder.

    Returns an empty dictionary if the report is missing.
    """
    from masksearch.ramp.run.base import REPORT

    path = path.resolve()
    for place in (path / MANIFEST, path.with_name(path.name + ".work") / REPORT, path.with_name(REPORT)):
        if place.is_file():
            value = json.loads(place.read_text(encoding="utf-8"))
            return value if isinstance(value, dict) else {}
    return {}


def render(stats: Mapping[str, Any]) -> str:
    """Renders the result of `describe` as text for a terminal."""
    return "\n".join(_lines(stats))


def _lines(stats: Mapping[str, Any]) -> Iterator[str]:
    yield f"{stats['tasks']} tasks"
    for name, title in (
        ("masks", "masks"),
        ("shapes", "shape"),
        ("hops", "hops"),
        ("forms", "form"),
        ("needs", "asked for"),
        ("categories", "category"),
        ("languages", "language"),
        ("strategies", "strategy"),
        ("checks", "passed the check"),
    ):
        counted = stats.get(name, {})
        total = stats["tasks"] if name == "checks" else sum(counted.values())
        rows = list(counted.items())
        yield from _table(title, rows[:MOST_ROWS], total)
        if len(rows) > MOST_ROWS:
            yield f"and {len(rows) - MOST_ROWS} more"
    for name, title in (("words_of_text", "words of a text"), ("words_of_answer", "words of an answer")):
        yield f"\n{title}: " + ", ".join(f"{key} {value:g}" for key, value in stats[name].items())
    if "passages_seen" in stats:
        tried = "drafts checked" if stats.get("shapes") else "passages tried"
        yield f"\n{stats['passages_seen']} {tried}"
    for name, title in DROPPED:
        if name in stats:
            total = stats["passages_seen"] if name == "dropped" else sum(stats[name].values())
            shown = title.replace("passages", "drafts") if stats.get("shapes") else title
            yield from _table(shown, stats[name].items(), total)
    if stats.get("survival"):
        yield f"\n{survival_table(stats['survival'])}"
    if stats.get("set_aside"):
        yield f"\n{stats['set_aside']} documents set aside"
    for example in stats["examples"]:
        answers = " | ".join(example["answers"])
        yield f"\n{example['id']}  {example['title']}\n  {example['text']}\n  -> {answers}"


def _table(title: str, rows: Iterable[tuple[str, int]], total: int) -> Iterator[str]:
    rows = list(rows)
    if not rows:
        return
    width = max(len(title), *(len(name) for name, _ in rows))
    yield f"\n{title.ljust(width)}  {'count':>9}  share"
    for name, count in rows:
        yield f"{name.ljust(width)}  {count:>9}  {count / total if total else 0:5.1%}"
