"""Computes pass@k and solve rates of a round.

pass@k is the share of tasks that at least one of k samples solves. It is estimated from n >= k samples per
task. The unbiased estimator for a task with c of n samples correct is 1 - C(n-c, k) / C(n, k) (Chen et al.
2021, arXiv 2107.03374, section 2.1). If pass@1 rises over the rounds while pass@n stays the same, the
teacher solves the same tasks more often but solves no new tasks: a plateau.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Solved:
    """The solve rate of one task, as two counts."""

    task: str
    """Id of the task."""
    solved: int
    """Number of correct samples."""
    sampled: int
    """Number of judged samples, right or wrong."""


def pass_at_k(sampled: int, solved: int, k: int) -> float:
    """Returns the chance that k samples, drawn without replacement from `sampled`, include a correct one.

    `solved` of the samples are correct. Raises ValueError unless 1 <= k <= sampled and 0 <= solved <=
    sampled.
    """
    if not 1 <= k <= sampled or not 0 <= solved <= sampled:
        raise ValueError(f"pass@{k} cannot be computed from {solved} correct of {sampled} samples")
    return 1.0 - math.comb(sampled - solved, k) / math.comb(sampled, k)


def pass_table(tasks: Sequence[Solved], samples: int) -> dict[str, float]:
    """Returns `{"1": pass@1, ..., "n": pass@n}` for n = `samples`.

    Each value pass@k is the mean over the tasks with at least k judged samples. It is left out if there is
    no such task.
    """
    table = {}
    for k in range(1, samples + 1):
        values = [pass_at_k(task.sampled, task.solved, k) for task in tasks if task.sampled >= k]
        if values:
            table[str(k)] = sum(values) / len(values)
    return table


def solve_rates(outcomes: Iterable[Mapping[str, Any]]) -> list[Solved]:
    """Counts correct and judged samples by task, in order of first appearance.

    `outcomes` has one mapping per sample, with the keys `task` and `correct` (None if not judged). Tasks
    without a judged sample are left out.
    """
    counts: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome["correct"] is not None:
            count = counts.setdefault(outcome["task"], [0, 0])
            count[0] += bool(outcome["correct"])
            count[1] += 1
    return [Solved(task, solved, sampled) for task, (solved, sampled) in counts.items()]
