"""Sorts the evaluations of a run by suite, and by the part that they play in its conclusion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from masksearch.evaluation.compare.entries import label, variant
from masksearch.evaluation.rules import Rule, common_rule, count_right
from masksearch.evaluation.suites.registry import same_name
from masksearch.report.load import Run, Stage
from masksearch.types import ResultMethod, Results

_TRAINED = ("sft", "rl", "evolve")
"""Kinds of stages that train a model."""
_SEED = re.compile(r"-s\d+$")
"""Matches the seed in the name of a stage that runs once for each seed."""
_STEPS = re.compile(r"\+(?:sft|rl)\b")
"""Matches a training step in the name of a checkpoint."""


@dataclass(frozen=True)
class Side:
    """One model with one method on one suite: an evaluation, or one for each training seed."""

    name: str
    """Name of the evaluation's stage, without its seed."""
    stages: tuple[str, ...]
    """Names of the evaluations' stages."""
    results: tuple[Results, ...]
    maker: str
    """Name of the stage that made the model, without its seed; empty for a model from outside the run."""
    trained: bool
    rule: Rule
    """Rule by which the answers of all evaluations of the suite are counted as right."""

    @property
    def first(self) -> Results:
        """The results of the first seed."""
        return self.results[0]

    @property
    def method(self) -> ResultMethod:
        """How the model answers."""
        return self.first.method

    @property
    def n(self) -> int:
        """Number of questions."""
        return self.first.n

    @property
    def right(self) -> float:
        """Number of right answers, averaged over the seeds."""
        found = [count_right(results.per_question, self.rule) for results in self.results]
        return sum(found) / len(found)

    @property
    def invalid(self) -> float:
        """Number of answers that are not in the asked form, averaged over the seeds."""
        found = [sum(not row.get("valid", 1) for row in results.per_question) for results in self.results]
        return sum(found) / len(found)

    def mean(self, metric: str) -> float | None:
        """Returns a metric's mean over the seeds; None if a seed lacks it."""
        values = [results.metrics.get(metric) for results in self.results]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None


@dataclass(frozen=True)
class Suite:
    """The evaluations of one suite with its original search, in the order of the run, and their parts."""

    name: str
    sides: tuple[Side, ...]
    degraded: tuple[Side, ...]
    """Evaluations whose search was degraded on purpose."""

    @property
    def after(self) -> Side | None:
        """The last trained model: as an agent if it was evaluated so, else with its last method."""
        trained = [side for side in self.sides if side.trained]
        agents = [side for side in trained if side.method == "agent"]
        found = agents or trained
        return found[-1] if found else None

    @property
    def before(self) -> Side | None:
        """The untrained model, with the method of `after` and thus the same prompt."""
        after = self.after
        bare = [side for side in self.sides if not side.trained]
        return next((side for side in bare if after and side.method == after.method), None)

    @property
    def bare(self) -> tuple[Side, ...]:
        """The untrained model with other methods than `before`."""
        return tuple(side for side in self.sides if not side.trained and side is not self.before)

    @property
    def steps(self) -> tuple[Side, ...]:
        """The other trained models with the method of `after`: earlier steps, or other arms."""
        after = self.after
        trained = [side for side in self.sides if side.trained and side is not after]
        return tuple(side for side in trained if after and side.method == after.method)

    @property
    def unseen(self) -> bool:
        """Whether the evaluation checked that no article of the questions was trained on."""
        return bool(self.after and self.after.first.settings.get("not_trained_on"))

    @property
    def masks(self) -> frozenset[int]:
        """The numbers of masks of the suite's tasks; empty for questions."""
        side = self.sides[0] if self.sides else self.degraded[0]
        return frozenset(int(row["masks"]) for row in side.first.per_question if row.get("masks"))


def suites_of(run: Run) -> list[Suite]:
    """Returns the suites of a run's finished evaluations, in the order of the run."""
    kinds = {stage.name: stage.kind for stage in run.stages if not stage.run}
    groups: dict[tuple[str, str, str], list[Stage]] = {}
    spelled: dict[str, str] = {}
    members: dict[str, list[Results]] = {}
    for stage in run.stages:
        if stage.results and stage.done and not stage.run:
            name = spelled.setdefault(same_name(stage.results.suite), stage.results.suite)
            members.setdefault(name, []).append(stage.results)
            place = (name, unseeded(stage.name), variant(stage.results).name)
            groups.setdefault(place, []).append(stage)
    rules = {name: common_rule(results) for name, results in members.items()}
    sides = [(*place, _side(stages, kinds, rules[place[0]])) for place, stages in groups.items()]
    return [
        Suite(
            name,
            tuple(side for suite, _, changed, side in sides if suite == name and not changed),
            tuple(side for suite, _, changed, side in sides if suite == name and changed),
        )
        for name in dict.fromkeys(suite for suite, _, _, _ in sides)
    ]


def _side(stages: Sequence[Stage], kinds: Mapping[str, str], rule: Rule) -> Side:
    results = tuple(stage.results for stage in stages if stage.results)
    model = str(results[0].settings.get("model", ""))
    maker = stage_of(model)
    kind = kinds.get(maker)
    trained = kind in _TRAINED if kind else bool(_STEPS.search(results[0].model))
    return Side(
        unseeded(stages[0].name),
        tuple(stage.name for stage in stages),
        results,
        unseeded(maker) if kind else "",
        trained,
        rule,
    )


def unseeded(name: str) -> str:
    """Returns a stage's name without the seed that `per_seed` adds to it."""
    return _SEED.sub("", name)


def stage_of(path: str) -> str:
    """Returns the stage whose product a path names: NAME for `RUN/stages/NAME/PRODUCT`, otherwise an empty
    text."""
    parts = Path(path).parts
    return parts[-2] if len(parts) > 2 and parts[-3] == "stages" else ""


def label_of(side: Side) -> str:
    """Returns the name of a side in tables: its model's label, its method, and its degraded search."""
    changed = variant(side.first).name
    how = [] if side.method == "agent" else [side.method]
    return ", ".join([label(side.first), *how, *([changed] if changed else [])])
