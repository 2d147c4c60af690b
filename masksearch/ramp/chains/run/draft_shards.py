"""Drafts on disk in blocks, and their tasks after the checks; each block is checked once.

WORK/drafts/000012.jsonl     the drafts of a block
WORK/checked/000012.jsonl    the first line holds the counts; each further line holds a task
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masksearch.ramp.chains.records import Draft
from masksearch.ramp.chains.run.checks import not_in_one_search, retrievable
from masksearch.ramp.chains.run.guessing import not_guessable
from masksearch.ramp.chains.run.tasks import make_task
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.run.plan import Plan
from masksearch.ramp.run.prepare import CHECKED, DRAFTS
from masksearch.ramp.spans.extract import Failure
from masksearch.runtime.files import read_json_lines, write_json_lines
from masksearch.search import LocalSearcher, load
from masksearch.types import ChainStep

BLOCK = 200
"""Number of drafts of a block."""


def draft_file(work: Path, block: int) -> Path:
    """Returns the file with the drafts of a block."""
    return work / DRAFTS / f"{block:06}.jsonl"


def checked_file(work: Path, block: int) -> Path:
    """Returns the file with the tasks of a block."""
    return work / CHECKED / f"{block:06}.jsonl"


def write_drafts(work: Path, block: int, drafts: Sequence[Draft]) -> None:
    """Writes a block for its worker, unless it is there."""
    path = draft_file(work, block)
    if not path.exists():
        write_json_lines(path, map(_draft_json, drafts))


def read_tasks_of(work: Path, block: int) -> Iterator[dict[str, Any]]:
    """Yields the tasks of a checked block as JSON objects."""
    rows = read_json_lines(checked_file(work, block))
    next(rows)
    yield from (row for _, row in rows)


def read_block_counts(work: Path, block: int) -> Counter[str]:
    """Returns the counts of a checked block: `drafts`, and the dropped ones by reason."""
    _, counts = next(read_json_lines(checked_file(work, block)))
    return Counter(counts)


def _draft_json(draft: Draft) -> dict[str, Any]:
    steps = [step.to_json() for step in draft.steps]
    return {**vars(draft), "steps": steps}


def _draft(value: dict[str, Any]) -> Draft:
    steps = tuple(ChainStep.model_validate(step) for step in value["steps"])
    lists = {name: tuple(value[name]) for name in ("bridges", "named")}
    return Draft(**{**value, **lists, "steps": steps})


class CheckWorker:
    """Checks blocks of drafts in one process; opens the index at the first block."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._searcher: LocalSearcher | None = None

    def __call__(self, block: int) -> int:
        """Checks a block, writes its tasks and returns its number."""
        drafts = [_draft(row) for _, row in read_json_lines(draft_file(self._plan.work, block))]
        counts = Counter({"drafts": len(drafts)})
        left: list[tuple[Draft, dict[str, Any]]] = [(draft, {}) for draft in drafts]
        for name, check in self._checks():
            left = self._passed(name, check, left, counts)
        retriever = self._searcher.fingerprint if self._searcher is not None else ""
        tasks = [
            make_task(draft, self._plan.settings, retriever, verdicts).to_json() for draft, verdicts in left
        ]
        write_json_lines(checked_file(self._plan.work, block), [dict(counts), *tasks])
        return block

    def _checks(self) -> Iterator[tuple[str, Any]]:
        """Yields (name, function from drafts to verdicts), cheap checks first."""
        settings = self._plan.settings
        if self._plan.searches:
            if self._searcher is None:
                self._searcher = load(self._plan.store)
            searcher, k = self._searcher, settings.retrieve_k
            yield "one-search", lambda drafts: not_in_one_search(drafts, searcher, k)
            yield "retrievable", lambda drafts: retrievable(drafts, searcher, k)
        if "not-guessable" in settings.verify:
            yield "not-guessable", lambda drafts: not_guessable(drafts, settings)

    def _passed(
        self, name: str, check: Any, left: list[tuple[Draft, dict[str, Any]]], counts: Counter[str]
    ) -> list[tuple[Draft, dict[str, Any]]]:
        passed = []
        verdicts: Sequence[Verdict | Failure] = check([draft for draft, _ in left]) if left else []
        for (draft, known), verdict in zip(left, verdicts, strict=True):
            if isinstance(verdict, Failure):
                counts[f"failed: {verdict.reason}"] += 1
            elif verdict.passed:
                passed.append((draft, {**known, name: {"passed": True, **verdict.data}}))
            else:
                counts[verdict.reason or name] += 1
        return passed
