"""The paired tests of a run, by the stages whose results they compare.

A test is the one in `comparison.json`, with its p value after the correction over all tests there. Two
evaluations that no comparison tests are tested here in the same way. Their p values are multiplied by the
number of tests of the comparison and of evaluations, which is at least the number of all tests (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from masksearch.evaluation.compare.entries import shared_ids
from masksearch.evaluation.compare.formatting import SIGNIFICANT, p_value
from masksearch.evaluation.compare.pairs import columns
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics import paired_difference
from masksearch.evaluation.tables import percent
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
        low, high = (percent(bound, signed=True) for bound in (self.low, self.high))
        value = percent(self.value, signed=True)
        return f"{value} F1 [{low}, {high}], n {self.n}, p {p_value(self.p)}"


class Tests:
    """All paired tests of a run."""

    def __init__(self, run: Run) -> None:
        self._pairs: dict[tuple[str, str], Difference] = {}
        self.arms: list[tuple[str, str, str, Difference]] = []
        """(suite, arm, the arm it is tested against, difference)."""
        self._family = sum(stage.results is not None for stage in run.stages)
        """Number of tests that a p value computed here is corrected for."""
        for stage in run.stages:
            if stage.comparison and stage.done and not stage.run:
                self._read(stage.comparison)

    def _read(self, comparison: dict[str, Any]) -> None:
        self._family += int(comparison.get("tests", {}).get(METRIC, 0))
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
        return self._computed(side, against)

    def _computed(self, side: Side, against: Side) -> Difference | None:
        """Returns a test that no comparison has; None for several seeds or for results that cannot be
        compared."""
        a, b = side.first, against.first
        searches = {results.retriever for results in (a, b) if results.retriever}
        if len(side.results) > 1 or len(against.results) > 1 or len(searches) > 1:
            return None
        x, y = columns(a, b, METRIC, shared_ids([a, b]))  # both (shared questions,)
        if not x:
            return None
        defaults = CompareSettings()
        found = paired_difference(x, y, defaults.bootstrap, defaults.seed, defaults.test)
        p = min(1.0, found.p * self._family)
        return Difference(found.difference, found.low, found.high, p, len(x))


def _difference(pair: dict[str, Any]) -> Difference | None:
    test = pair.get("metrics", {}).get(METRIC)
    if not test:
        return None
    low, high = test["interval"]
    return Difference(test["difference"], low, high, test.get("p_adjusted", test["p"]), test["n"])
