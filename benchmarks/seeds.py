"""Benchmark of the tests between arms: false positives and power with several training seeds.

    python benchmarks/seeds.py [--trials 1000] [--seeds 2,3,5] [--gain 5] [--level 0.05]

Simulates two arms with several seeds each that answer the same questions. A score depends on the difficulty
of its question, on the arm (some questions suit one arm), on the seed, and on what this seed does with this
question. In rows without a gain the arms have the same mean, so every difference found is false. In the other
rows one arm is better by --gain points. Columns:

    scores         binary: 0 or 1, like exact match; graded: 0, 1 or between, like F1
    seed sd        standard deviation of the seeds' true means in points: of both arms, or of each
    arm x q        standard deviation of the arm's effect on single questions, in logits
    questions      t test of the means over seeds, with questions as the only units; with so many questions it
                   finds what the permutation test finds, which takes longer
    seeds          t test of the seeds' means, with seeds as the only units
    crossed        the test of `masksearch compare`
    coverage       share of the crossed 95% intervals that contain the true difference
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from masksearch.evaluation.statistics.crossed import crossed_difference
from masksearch.evaluation.statistics.student import two_sided_p

Floats = npt.NDArray[np.float64]
DIFFICULTY, MIDDLE, REST = 2.0, -2.0, 0.7
"""Logits of the questions: standard deviation and mean; standard deviation of seed x question."""


@dataclass(frozen=True)
class Case:
    """One row of the table: the parameters of a simulation."""

    seeds: int
    questions: int
    scores: str
    sd: tuple[float, float]
    """Standard deviation of the seeds' true means in points, of each arm."""
    arm: float
    gain: float = 0.0
    """True difference of the arms in points."""


def cases(seeds: int, gain: float) -> Iterator[Case]:
    """Yields the cases of one number of seeds: without a true difference, then with one."""
    suites = (("binary", 120), ("graded", 240), ("graded", 500))
    spreads = ((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (3.0, 0.0))
    for (scores, questions), sd, arm in product(suites, spreads, (0.0, 0.8)):
        yield Case(seeds, questions, scores, sd, arm)
    for (scores, questions), sd, arm in product(suites, spreads[:2], (0.0, 0.8)):
        yield Case(seeds, questions, scores, sd, arm, gain)


def simulate(case: Case, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Returns the scores of two arms, both (seeds, questions)."""
    difficulty = rng.normal(MIDDLE, DIFFICULTY, case.questions)
    points = 100 * slope(case)  # points of the mean score by logit
    arms = []
    for place, sd in enumerate(case.sd):
        logits = difficulty + rng.normal(0, case.arm, case.questions)
        logits = logits + rng.normal(0, sd / points, (case.seeds, 1))
        logits = logits + rng.normal(0, REST, (case.seeds, case.questions))
        arms.append(_draw(logits + (case.gain / points if place == 0 else 0.0), case.scores, rng))
    return arms[0], arms[1]


def slope(case: Case) -> float:
    """Returns the change of the mean score by logit, from the same draws each time."""
    key = (case.scores, case.arm)
    if key not in _SLOPES:
        rng = np.random.default_rng(1)
        logits = rng.normal(MIDDLE, math.sqrt(DIFFICULTY**2 + case.arm**2 + REST**2), 400_000)
        high, low = (_draw(logits + step, case.scores, np.random.default_rng(2)) for step in (0.1, -0.1))
        _SLOPES[key] = float((high - low).mean() / 0.2)
    return _SLOPES[key]


_SLOPES: dict[tuple[str, float], float] = {}


def _draw(logits: Floats, scores: str, rng: np.random.Generator) -> Floats:
    """Returns scores (0 or 1, or graded) of the same shape as `logits`."""
    right = 1 / (1 + np.exp(-logits))
    drawn, part = rng.random(logits.shape), rng.random(logits.shape)
    if scores == "binary":
        return (drawn < right).astype(np.float64)
    whole = 0.75 * right
    some = whole + 0.5 * right * (1 - right) + 0.1 * right
    return np.where(drawn < whole, 1.0, np.where(drawn < some, 0.2 + 0.6 * part, 0.0))


def questions_alone(a: Floats, b: Floats) -> float:
    """Returns the p of a t test of the questions' differences."""
    differences = a.mean(axis=0) - b.mean(axis=0)  # (questions,)
    return _t_test(differences.mean(), differences.var(ddof=1) / len(differences), len(differences) - 1)


def seeds_alone(a: Floats, b: Floats) -> float:
    """Returns the p of a t test of the seeds' means."""
    first, second = a.mean(axis=1), b.mean(axis=1)  # both (seeds,)
    variance = first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)
    return _t_test(first.mean() - second.mean(), variance, len(first) + len(second) - 2)


def _t_test(difference: float, variance: float, df: int) -> float:
    return two_sided_p(difference / math.sqrt(variance), df) if variance else float(difference == 0)


def measure(case: Case, trials: int, level: float = 0.05) -> dict[str, float]:
    """Returns the shares of trials in which each test finds a difference, and the coverage; in percent."""
    rng = np.random.default_rng(zlib.crc32(repr(case).encode()))  # other draws for each case
    found = {"questions": 0, "seeds": 0, "crossed": 0, "coverage": 0}
    for _ in range(trials):
        a, b = simulate(case, rng)
        crossed = crossed_difference([[a]], [[b]], 1, 1)
        found["questions"] += questions_alone(a, b) < level
        found["seeds"] += seeds_alone(a, b) < level
        found["crossed"] += crossed.p < level
        found["coverage"] += crossed.low <= case.gain / 100 <= crossed.high
    return {name: 100 * int(count) / trials for name, count in found.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seeds", default="2,3,5")
    parser.add_argument("--gain", type=float, default=5.0, help="true difference in points, for the power")
    parser.add_argument("--level", type=float, default=0.05)
    chosen = parser.parse_args()
    head = ("seeds", "n", "scores", "seed sd", "arm x q", "gain", "questions", "seeds", "crossed", "coverage")
    print("Differences found, in % of the trials:\n")
    print(("{:>9} " * len(head)).format(*head))
    for seeds in map(int, chosen.seeds.split(",")):
        rows = []
        for case in cases(seeds, chosen.gain):
            found = measure(case, chosen.trials, chosen.level)
            sd = " ".join(f"{value:g}" for value in dict.fromkeys(case.sd))
            cells = (case.seeds, case.questions, case.scores, sd, case.arm, f"{case.gain:g}")
            print(("{!s:>9} " * len(cells)).format(*cells), end=" ")
            print(" ".join(f"{value:9.1f}" for value in found.values()), flush=True)
            rows.append((case, found))
        for name in ("questions", "seeds", "crossed"):
            false = [found[name] for case, found in rows if not case.gain]
            power = [found[name] for case, found in rows if case.gain]
            print(
                f"{seeds} seeds, {name}: false positives {min(false):.1f} to {max(false):.1f}, "
                f"mean {sum(false) / len(false):.1f}; power, mean {sum(power) / len(power):.1f}"
            )
        print()


if __name__ == "__main__":
    main()
