"""Units of a comparison: their names in tables, their scores, and the check that seeds differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from masksearch.errors import UsageError
from masksearch.evaluation.compare.entries import Loaded
from masksearch.evaluation.statistics.crossed import Suite
from masksearch.types import Results

_UNSTABLE = ("seconds",)
"""Columns that differ between two evaluations of one checkpoint."""


def unit(seeds: Sequence[Collection[int]], questions: int, suites: int = 1) -> str:
    """Returns the units of a mean or of a difference: `3 seeds x 160 questions`.

    `seeds` has the numbers of seeds for each arm, one number unless the suites differ. Arms with different
    numbers give `3 and 1 seeds x 160 questions`; suites with different numbers, `2-3 seeds x ...`.
    """
    names = list(dict.fromkeys(_range(counts) for counts in seeds))
    one = names == ["1"]
    text = f"{' and '.join(names)} seed{'' if one else 's'} x {questions} question{'s' * (questions != 1)}"
    return f"{text} of {suites} suites" if suites > 1 else text


def _range(counts: Collection[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"


def check_seeds(arm: str, entries: Sequence[Loaded]) -> None:
    """Raises UsageError if two results of one suite are the same results of the same checkpoint.

    Two such results would count as two seeds although nothing varies between them.
    """
    for first, second in combinations(entries, 2):
        if is_copy(first.results, second.results):
            where = (
                f"{first.source} twice"
                if first.source == second.source
                else f"{first.source} and {second.source}"
            )
            raise UsageError(
                f"The arm '{arm}' has {where} as two seeds of '{first.results.suite}', but they hold "
                "the same answers of the same checkpoint, so they are one seed; name each seed once."
            )


def is_copy(first: Results, second: Results) -> bool:
    """Whether two results hold the same rows of the same checkpoint.

    The seconds of a question are ignored, because a repeated evaluation differs in them.
    """
    return _same_checkpoint(first, second) and _rows(first) == _rows(second)


def distinct(results: Sequence[Results]) -> list[Results]:
    """Returns the results without copies of earlier ones."""
    found: list[Results] = []
    for one in results:
        if not any(is_copy(one, other) for other in found):
            found.append(one)
    return found


def scores(results: Sequence[Results], metric: str, ids: Sequence[str]) -> Suite:
    """Returns the values of a metric, (results, questions), in the order of `ids`.

    Every row must have the metric.
    """
    tables = [{row["id"]: row for row in one.per_question} for one in results]
    return np.array([[float(table[key][metric]) for key in ids] for table in tables])


def _same_checkpoint(first: Results, second: Results) -> bool:
    """Whether two results measure the same weights; by name if a results file lacks their hash."""
    hashes = [results.provenance.get("model_hash") for results in (first, second)]
    if all(hashes):
        return bool(hashes[0] == hashes[1])
    names = [(results.model, results.settings.get("model")) for results in (first, second)]
    return names[0] == names[1]


def _rows(results: Results) -> dict[str, Mapping[str, Any]]:
    return {
        str(row["id"]): {name: value for name, value in row.items() if name not in _UNSTABLE}
        for row in results.per_question
    }
