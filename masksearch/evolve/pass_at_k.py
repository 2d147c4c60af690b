"""pass@k: how many of the tasks are solved by at least one of k samples, from n >= k samples of each; and solve rates.

Unbiased estimator of one task with c of n samples correct: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, section 2.1). Where pass@n
stands still while pass@1 rises, the teacher becomes surer of what it could do before and learns nothing new: a plateau.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Solved:
    """A task with the number of its samples that were judged, and of those that were correct."""

    task: str
    solved: int
    sampled: int


def pass_at_k(sampled: int, solved: int, k: int) -> float:
    """The chance that k of `sampled` samples, drawn without replacement, hold one of the `solved` correct ones. Raises ValueError unless 1 <= k <= sampled."""
    if not 1 <= k <= sampled or not 0 <= solved <= sampled:
        raise ValueError(f"pass@{k} cannot be told from {solved} correct of {sampled} samples")
    return 1.0 - math.comb(sampled - solved, k) / math.comb(sampled, k)


def pass_table(tasks: Sequence[Solved], samples: int) -> dict[str, float]:
    """`{"1": pass@1, ..., "n": pass@n}`: means over the tasks that have at least k judged samples; a k that no task has is left out."""
    table = {}
    for k in range(1, samples + 1):
        values = [pass_at_k(task.sampled, task.solved, k) for task in tasks if task.sampled >= k]
        if values:
            table[str(k)] = sum(values) / len(values)
    return table


def solve_rates(outcomes: Iterable[Mapping[str, Any]]) -> list[Solved]:
    """Of each task, in order, from the outcomes of its samples (`task`, `correct`: None where it was not judged); tasks without a judged one are left out."""
    counts: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome["correct"] is not None:
            count = counts.setdefault(outcome["task"], [0, 0])
            count[0] += bool(outcome["correct"])
            count[1] += 1
    return [Solved(task, solved, sampled) for task, (solved, sampled) in counts.items()]
