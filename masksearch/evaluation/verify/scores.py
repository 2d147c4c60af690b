"""Compares the rows and scores of two evaluations of the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from masksearch.evaluation.tables import percent
from masksearch.types import Results

UNSTABLE = ("seconds", "prompt_tokens")
"""Columns that differ between two evaluations, or that another way of decoding does not count."""
SCORES = ("recall", "precision", "f1", "em", "valid")
TOLERANCE = 1e-6
Row = Mapping[str, Any]


def differing_rows(then: Sequence[Row], now: Sequence[Row]) -> list[str]:
    """Returns the ids of the rows that differ in a score that both have."""
    return [
        str(before["id"])
        for before, after in zip(then, now, strict=True)
        if any(not _same(before[name], after[name]) for name in SCORES if name in before and name in after)
    ]


def other_columns(then: Sequence[Row], now: Sequence[Row], skipped: Sequence[str] = ()) -> str:
    """Returns the columns that differ, without scores, each with its number of rows: `failure (2)`."""
    counts: dict[str, int] = {}
    for before, after in zip(then, now, strict=True):
        for name in before:
            known = name in after and name not in (*SCORES, *UNSTABLE, *skipped)
            if known and not _same(before[name], after[name]):
                counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _same(first: Any, second: Any) -> bool:
    numbers = isinstance(first, int | float) and isinstance(second, int | float)
    return abs(first - second) <= TOLERANCE if numbers else bool(first == second)


def differing_scores(then: Sequence[Row], now: Sequence[Row]) -> str:
    """Returns the mean scores that differ, as in `F1 61.2 -> 60.9`; empty if none does."""
    found = []
    for name in SCORES:
        if all(name in row for row in (*then, *now)):
            before, after = (sum(float(row[name]) for row in rows) / len(rows) for rows in (then, now))
            if abs(before - after) > TOLERANCE:
                found.append(f"{name} {percent(before)} -> {percent(after)}")
    return ", ".join(found)


def scores_text(results: Results) -> str:
    """Returns the scores of an evaluation in a few words."""
    metrics = results.metrics
    if not results.scored:
        return f"{results.n} questions"
    return f"F1 {percent(metrics['f1'])}, EM {percent(metrics['em'])}, n = {results.n}"
