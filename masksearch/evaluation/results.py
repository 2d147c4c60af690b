"""From rows of single questions to a results file, and back.

Guessing is reported apart: in many multi-hop questions the answer is yes/no or stands in the question itself (48% of
2WikiMultiHopQA, 20% of HotpotQA as measured here), so that a model scores there without any search.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from masksearch import files
from masksearch.errors import DataError, FormatError
from masksearch.evaluation.statistics import bootstrap_interval
from masksearch.scoring.metrics import CLOSED_ANSWERS, normalise
from masksearch.types import Question, Results

Rows = Sequence[dict[str, Any]]
REQUIRED = ("recall", "f1", "em")
"""What every results file has, of all questions and of each."""
WITH_INTERVALS = ("recall", "precision", "f1", "em", "valid")
AVERAGED = (*WITH_INTERVALS, "free_recall", "searches", "model_tokens", "tool_tokens")


def is_guessable(question: Question) -> bool:
    """True if some gold is yes/no, or all its normalised tokens stand in the question, so that guessing can score."""
    asked = set(normalise(question.question).split())
    golds = [normalise(gold) for gold in question.answers]
    return any(gold in CLOSED_ANSWERS or (gold != "" and set(gold.split()) <= asked) for gold in golds)


def summarise(
    rows: Rows,
    *,
    suite: str,
    method: Literal["agent", "rag", "closed-book"],
    model: str,
    retriever: str,
    settings: dict[str, Any],
    bootstrap: int,
    seed: int,
) -> Results:
    """Results of one evaluation: means of the rows, with 95% intervals from `bootstrap` resamples.

    A row has `id`, `prediction`, `recall`, `precision`, `f1`, `em`, `valid` (0 or 1) and whatever else is known of it. Metrics:
    those of AVERAGED that stand in every row; `total_tokens` = prompt (where counted) + model + tool tokens; and, where rows
    carry them, f1 split by `guessable` (0 or 1) and by `masks`. Raises DataError without rows, ValueError if a row lacks a score.
    """
    if not rows:
        raise DataError(f"No question of the suite '{suite}' was evaluated, so there is nothing to summarise.")
    for row in rows:
        missing = [key for key in ("id", *WITH_INTERVALS) if key not in row]
        if missing:
            raise ValueError(f"row {row.get('id')!r} lacks {', '.join(missing)}")
    columns = {name: [float(row[name]) for row in rows] for name in AVERAGED if all(name in row for row in rows)}
    if "model_tokens" in columns:
        columns["total_tokens"] = [_total_tokens(row) for row in rows]
    columns |= _splits(rows)
    metrics = {name: sum(values) / len(values) for name, values in columns.items()}
    guessable = [float(row["guessable"]) for row in rows if "guessable" in row]
    if len(guessable) == len(rows):
        metrics["guessable_share"] = sum(guessable) / len(rows)
    intervals = {name: bootstrap_interval(values, bootstrap, seed) for name, values in columns.items() if name in WITH_INTERVALS or name.startswith("f1_")}
    return Results(
        suite=suite,
        method=method,
        model=model,
        retriever=retriever,
        n=len(rows),
        metrics=metrics,
        intervals=intervals,
        per_question=tuple(rows),
        settings=settings,
    )


def _total_tokens(row: dict[str, Any]) -> float:
    return float(sum(row.get(key, 0) for key in ("prompt_tokens", "model_tokens", "tool_tokens")))


def _splits(rows: Rows) -> dict[str, list[float]]:
    """F1 of parts of the rows; a part without rows is left out, and so is the number of masks where it is always the same."""
    parts: dict[str, list[float]] = {}
    for row in rows:
        if "guessable" in row:
            parts.setdefault("f1_guessable" if row["guessable"] else "f1_not_guessable", []).append(float(row["f1"]))
    counts = sorted({int(row["masks"]) for row in rows if row.get("masks")})
    if len(counts) > 1:
        for count in counts:
            parts[f"f1_{count}_mask{'s' * (count > 1)}"] = [float(row["f1"]) for row in rows if row.get("masks") == count]
    return parts


def save(results: Results, path: str | Path) -> None:
    """Writes a results file, whole or not at all."""
    files.write_json(path, results.to_json())


def load_results(path: str | Path) -> Results:
    """Reads a results file, or `results.json` of a folder. Raises DataError, or FormatError naming the field."""
    path = Path(path)
    if path.is_dir():
        path = path / "results.json"
    with files.open_text(path) as stream:
        try:
            value = json.load(stream)
        except ValueError as error:
            if isinstance(error, UnicodeDecodeError):
                raise
            raise FormatError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(value, dict) or not str(value.get("format", "")).startswith("masksearch-results/"):
        raise FormatError(f"{path} is no results file; make one with 'masksearch eval'.")
    try:
        results = Results.model_validate(value)
    except ValidationError as error:
        raise FormatError(f"{path} {files.explain(error)}.") from error
    _check_rows(results, path)
    return results


def _check_rows(results: Results, path: Path) -> None:
    ids = [row.get("id") for row in results.per_question]
    if results.n != len(ids):
        raise FormatError(f"{path} says n = {results.n}, but holds {len(ids)} questions.")
    if None in ids or len(set(ids)) != len(ids):
        raise FormatError(f"{path} holds questions without an id, or two with the same.")
    absent = [name for name in REQUIRED if name not in results.metrics]
    if absent:
        raise FormatError(f"{path} lacks the metric '{absent[0]}'.")
    for row in results.per_question:
        lacking = [name for name in REQUIRED if not isinstance(row.get(name), int | float)]
        if lacking:
            raise FormatError(f"{path}, question '{row['id']}' lacks the field '{lacking[0]}'.")
