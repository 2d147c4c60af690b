"""The paired tests of a run, by the stages whose results they compare.

A test is the one in `comparison.json`, with its p value after the correction over all tests there. The test
of models with several training seeds is that of the arms that have just these seeds; a test of single seeds
does not test their mean. Two sides that no comparison tests are tested here in the same way. Their p values
are multiplied by the number of tests of the comparison and of evaluations, which is at least the number of
all tests (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from masksearch.evaluation.compare.entries import shared_ids
from masksearch.evaluation.compare.formatting import SIGNIFICANT, p_value
from masksearch.evaluation.compare.units import distinct, scores, unit
from masksearch.evaluation.settings import CompareSettings
from masksearch.evaluation.statistics.crossed import crossed_difference
from masksearch.evaluation.tables import percent
from masksearch.report.conclusion.suites import Side, stage_of
from masksearch.report.load import Run

_Stages = frozenset[str]
"""Names of the stages of one side, one for each seed."""
Verdict = Literal["better", "worse", "not shown"]
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
    unit: str = ""
    """The units of a test of several seeds: `3 seeds x 160 questions`; empty for one seed."""

    @property
    def shown(self) -> bool:
        """Whether the test shows a difference."""
        return self.p < SIGNIFICANT

    @property
    def verdict(self) -> Verdict:
        """What the test shows. The card, the headlines and the list "Not shown" have no other rule."""
        if not self.shown:
            return "not shown"
        return "better" if self.value > 0 else "worse"

    @property
    def chance(self) -> str:
        """The p value as text: `0.130`."""
        return p_value(self.p)

    @property
    def text(self) -> str:
        """The difference with its interval, in percentage points: `+5.8 F1 [-1.7, +13.3], n 60, p 0.130`.

        With several seeds, their unit replaces n: `+5.8 F1 [-1.7, +13.3], 3 seeds x 60 questions, p 0.130`.
        """
        low, high = (percent(bound, signed=True) for bound in (self.low, self.high))
        value = percent(self.value, signed=True)
        return f"{value} F1 [{low}, {high}], {self.unit or f'n {self.n}'}, p {self.chance}"

    @property
    def reversed(self) -> Difference:
        """The difference with its sides exchanged."""
        return replace(self, value=-self.value, low=-self.high, high=-self.low)


class Tests:
    """All paired tests of a run."""

    def __init__(self, run: Run) -> None:
        self._pairs: dict[tuple[_Stages, _Stages], Difference] = {}
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
            found = difference_of(pair)
            places = (stage_of(str(pair.get(name, ""))) for name in ("source", "baseline_source"))
            key = (frozenset({next(places)}), frozenset({next(places)}))
            if found and "" not in key[0] | key[1]:
                self._pairs.setdefault(key, found)
        sources = {
            (arm["suite"], arm["arm"]): frozenset(stage_of(str(source)) for source in arm.get("sources", ()))
            for arm in comparison.get("arms", [])
        }
        for pair in comparison.get("arm_pairs", []):
            found = difference_of(pair)
            if found:
                suite, a, b = (str(pair[name]) for name in ("suite", "a", "b"))
                self.arms.append((suite, a, b, found))
                key = (sources.get((suite, a), frozenset()), sources.get((suite, b), frozenset()))
                if all(key):
                    self._pairs.setdefault(key, found)

    def between(self, side: Side, against: Side) -> Difference | None:
        """Returns the test of `side` minus `against`, in whichever order the comparison has them."""
        a, b = frozenset(side.stages), frozenset(against.stages)
        if (a, b) in self._pairs:
            return self._pairs[a, b]
        if (b, a) in self._pairs:
            return self._pairs[b, a].reversed
        return self._computed(side, against)

    def _computed(self, side: Side, against: Side) -> Difference | None:
        """Returns a test that no comparison has; None for results that cannot be compared.

        A model that was evaluated once for each seed of another one, always with the same answers, has one
        seed.
        """
        a, b = distinct(side.results), distinct(against.results)
        searches = {results.retriever for results in (*a, *b) if results.retriever}
        ids = shared_ids([*a, *b])
        if len(searches) > 1 or not ids:
            return None
        defaults = CompareSettings()
        first, second = scores(a, METRIC, ids), scores(b, METRIC, ids)  # both (seeds, shared questions)
        found = crossed_difference([[first]], [[second]], defaults.bootstrap, defaults.seed, defaults.test)
        p = min(1.0, found.p * self._family)
        several = max(len(a), len(b)) > 1
        units = unit([{len(a)}, {len(b)}], len(ids)) if several else ""
        return Difference(found.difference, found.low, found.high, p, len(ids), units)


def difference_of(pair: dict[str, Any], metric: str = METRIC) -> Difference | None:
    """Returns the test of one metric in a pair of a comparison; None if the pair has no such test."""
    test = pair.get("metrics", {}).get(metric)
    if not test:
        return None
    low, high = test["interval"]
    several = max(pair.get("seeds", (1,))) > 1
    units = str(pair.get("unit", "")) if several else ""
    return Difference(test["difference"], low, high, test.get("p_adjusted", test["p"]), test["n"], units)
