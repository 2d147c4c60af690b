"""Command `audit`: checks questions before anything is trained or measured.

    masksearch audit questions.jsonl --index index -o audit.json

A question whose gold answer is not in the corpus, or that no search finds, measures nothing but luck; one
that the model knows, or was trained on, measures memory. The audit says how many there are, and writes those
that pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.evaluation.audit.duplicates import Duplicate, duplicates
from masksearch.evaluation.audit.memory import Known, closed_book, paid_for_memory
from masksearch.evaluation.audit.presence import Presence, presence
from masksearch.evaluation.audit.retrieval import Retrieval, retrieval
from masksearch.evaluation.audit.settings import AuditSettings
from masksearch.evaluation.audit.table import counts, table
from masksearch.evaluation.provenance import model_hash, questions_hash, versions
from masksearch.evaluation.rows import answer_kind
from masksearch.evaluation.tasks import load_tasks
from masksearch.runtime.files import write_json, write_json_lines
from masksearch.search.index.storage import common_titles
from masksearch.types import Question, Task

AUDIT_FORMAT = "masksearch-audit/1"


def run_audit(settings: AuditSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes the audit to `output` and the kept questions to `settings.kept`; returns the summary.

    Raises the errors of reading questions and training files, SearchError, and ModelError.
    """
    from masksearch.search import open_searcher

    suite, tasks = load_tasks(settings.questions, settings.suite)
    tasks = tasks[: settings.limit]
    memory = paid_for_memory(settings.rollouts) if settings.rollouts else {}
    searcher = open_searcher(settings.index, settings.search)
    copies = duplicates(tasks, settings.trained_on, settings.ngram, common_titles(settings.index))
    held = presence(tasks, settings.index, searcher, settings.depth)
    found = retrieval(tasks, searcher, settings.k)
    known: Sequence[Known | None] = [None] * len(tasks)
    if settings.model:
        known = closed_book(tasks, settings, work)
    rows = [
        row(settings, task, *parts)
        for task, parts in zip(tasks, zip(held, found, known, copies, strict=True), strict=True)
    ]
    checks = counts(rows, settings.k, settings.model)
    kept = [task for task, one in zip(tasks, rows, strict=True) if one["keep"]]
    write_json(
        output,
        {
            "format": AUDIT_FORMAT,
            "suite": suite,
            "n": len(tasks),
            "retriever": searcher.fingerprint,
            "checks": checks,
            "reward": memory,
            "settings": settings.model_dump(mode="json"),
            "provenance": {
                "questions_hash": questions_hash(tasks),
                "model_hash": model_hash(settings.model),
                "versions": versions(),
            },
            "per_question": rows,
        },
    )
    wanted = ", ".join(settings.keep) or "no condition"
    text = f"{suite}: {len(kept)} of {len(tasks)} questions pass ({wanted})"
    if settings.kept:
        if not kept:
            raise DataError(f"No question passes ({wanted}), so {settings.kept} is not written.")
        write_json_lines(settings.kept, (task.to_json() for task in kept))
        text += f"; {settings.kept} has them"
    return {"text": text, "table": table(checks, memory), "kept": len(kept), "n": len(tasks)}


def row(
    settings: AuditSettings,
    task: Task,
    held: Presence,
    found: Retrieval,
    known: Known | None,
    copy: Duplicate,
) -> dict[str, Any]:
    """Returns the row of one question, with its verdicts and the conditions that it misses."""
    verdicts = {
        "present": held.whole,
        "retrievable": found.rank is not None,
        "bridged": found.bridged,
        "unknown": known is None or not known.right,
        "unseen": not copy.reason,
    }
    missed = [condition for condition in settings.keep if not verdicts[condition]]
    return {
        "id": task.id,
        "type": task.type if isinstance(task, Question) else "ramp",
        "present": held.answer,
        "evidence_present": held.evidence,
        "retrievable": found.rank is not None,
        "rank": found.rank,
        "bridged": found.bridged,
        "evidence_retrieved": found.evidence,
        "guessable": answer_kind(task) != "open" if isinstance(task, Question) else None,
        "known": None if known is None else known.right > 0,
        "closed_book": None if known is None else list(known.answers),
        "duplicate": copy.reason if settings.trained_on else None,
        "article": copy.article if settings.trained_on else None,
        "repeats": copy.repeats,
        "keep": not missed,
        "misses": missed,
    }
