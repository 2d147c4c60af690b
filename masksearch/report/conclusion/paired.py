"""The paired tests of a run's comparisons, by the stages whose results they compare.

Every test is the one in `comparison.json`, with its p value after the correction over all tests there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from masksearch.evaluation.compare.formatting import SIGNIFICANT, p_value
from masksearch.report.conclusion.suites import Side, stage_of
from masksearch.report.load import Run

METRIC = "f1"
"""The metric whose tests the conclusion gives."""


@dataclass(frozen=True)
class Difference:
    """The difference of F1 between two sides over their shared questions, with its test."""

    value: float
    low: float
    high: float
    p: float
    """The p value after the comparison's correction for multiple tests."""
    n: int

    @property
    def shown(self) -> bool:
        """Whether the test shows a difference."""
        return self.p < SIGNIFICANT

    @property
    def text(self) -> str:
        """The difference with its interval, in percentage points: `+5.8 F1 [-1.7, +13.3], n 60, p 0.130`."""
        low, high = (points(bound) for bound in (self.low, self.high))
        p = p_value(self.p)
        return (
            f"{points(self.value)} F1 [{low}, {high}], n {self.n}, p {p if p.startswith('<') else '= ' + p}"
        )


class Tests:
    """All paired tests of a run."""

    def __init__(self, run: Run) -> None:
        self._pairs: dict[tuple[str, str], Difference] = {}
        self._sources: set[str] = set()
        self.arms: list[tuple[str, str, str, Difference]] = []
        """(suite, arm, the arm it is tested against, difference)."""
        self.corrections: list[str] = []
        for stage in run.stages:
            if stage.comparison and stage.done and not stage.run:
                self._read(stage.comparison)

    def _read(self, comparison: dict[str, Any]) -> None:
        settings = comparison.get("settings")
        if isinstance(settings, dict) and settings.get("correction"):
            self.corrections.append(str(settings["correction"]))
        self._sources |= {stage_of(str(row.get("source", ""))) for row in comparison.get("rows", [])}
        for pair in (*comparison.get("pairs", []), *comparison.get("robustness", [])):
            found = _difference(pair)
            places = (stage_of(str(pair.get(name, ""))) for name in ("source", "baseline_source"))
            key = (next(places), next(places))
            if found and all(key):
                self._pairs.setdefault(key, found)
        for pair in comparison.get("arm_pairs", []):
            found = _difference(pair)
            if found:
                self.arms.append((str(pair["suite"]), str(pair["a"]), str(pair["b"]), found))

    def between(self, side: Side, against: Side) -> Difference | None:
        """Returns the test of `side` minus `against`, in whichever order the comparison has them."""
        for a in side.stages:
            for b in against.stages:
                if (a, b) in self._pairs:
                    return self._pairs[a, b]
                if (b, a) in self._pairs:
                    found = self._pairs[b, a]
                    return Difference(-found.value, -found.high, -found.low, found.p, found.n)
        return None

    def compares(self, side: Side) -> bool:
        """Whether a comparison has a row for the side."""
        return any(stage in self._sources for stage in side.stages)


def _difference(pair: dict[str, Any]) -> Difference | None:
    test = pair.get("metrics", {}).get(METRIC)
    if not test:
        return None
    low, high = test["interval"]
    return Difference(test["difference"], low, high, test.get("p_adjusted", test["p"]), test["n"])


def points(value: float) -> str:
    """Formats a difference in percentage points: `+5.8`."""
    return f"{round(100 * value, 1) + 0.0:+.1f}"


def percent(value: float) -> str:
    """Formats a share in percent, without the sign: `79.1`."""
    return f"{round(100 * value, 1) + 0.0:.1f}"
