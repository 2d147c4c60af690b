"""The run that a product belongs to: the stages that made it, their settings, and its corpora.

A product of a single command has no run; the mark in its work folder holds its settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masksearch.report.conclusion.suites import stage_of
from masksearch.runtime.resume import read_mark

DATA = ("trajectories", "replay", "tasks", "questions", "heldout")
"""Settings of a training stage that name data."""


@dataclass(frozen=True)
class Step:
    """A stage that a product was made by, or that made its data."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    summary: Mapping[str, Any]

    @property
    def text(self) -> str:
        """What the stage did, in words."""
        return str(self.summary.get("text", "not recorded"))


@dataclass(frozen=True)
class Origin:
    """Where a product comes from; empty fields are not recorded."""

    run: Path | None = None
    name: str = ""
    """Name of the run's recipe."""
    made_by: tuple[Step, ...] = ()
    """The stages from the base model to the checkpoint, or the one stage that made the data."""
    data: tuple[Step, ...] = ()
    """The stages that made the data of `made_by`, in the order of the run."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The recipe with every default."""

    @property
    def stage(self) -> str:
        """Name of the stage that made the product; empty outside of a run."""
        return self.made_by[-1].name if self.run and self.made_by else ""

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora that the data was made from, each once."""
        found = [step.settings.get("corpus") for step in (*self.data, *self.made_by)]
        return tuple(dict.fromkeys(str(corpus) for corpus in found if corpus))

    def setting(self, name: str) -> Any:
        """Returns the value of the last stage that has this setting; None without one."""
        values = [step.settings[name] for step in self.made_by if name in step.settings]
        return values[-1] if values else None


def find_origin(product: Path) -> Origin:
    """Returns the origin of a checkpoint, a file of data or a folder of shards."""
    place = product.absolute()
    for run in place.parents:
        if (run / "run.json").is_file() and (run / "stages").is_dir():
            return _in_run(run, stage_of(str(place)))
    return _alone(place)


def _alone(product: Path) -> Origin:
    made = read_mark(product.with_name(product.name + ".work") / "stage.json").get("made_from") or {}
    if not made:
        return Origin()
    step = Step(product.name, str(made.get("kind", "")), made.get("settings") or {}, {})
    return Origin(made_by=(step,))


def _in_run(run: Path, name: str) -> Origin:
    record = read_mark(run / "run.json")
    recipe = read_mark(run / "recipe.json") or record.get("recipe") or {}
    rows = {str(row.get("name")): row for row in record.get("stages") or [] if isinstance(row, dict)}
    steps = dict(_steps(recipe, rows))
    made_by = _chain(steps, name)
    wanted = {name for step in made_by for name in _references(step)}
    while further := {other for one in wanted if one in steps for other in _references(steps[one])} - wanted:
        wanted |= further
    data = tuple(
        step for step in steps.values() if step.name in wanted and step.kind in ("mask", "synthesize")
    )
    return Origin(run, str(recipe.get("name") or record.get("name") or ""), made_by, data, recipe)


def _steps(recipe: Mapping[str, Any], rows: Mapping[str, Any]) -> Iterator[tuple[str, Step]]:
    stages = recipe.get("stages")
    for name, stage in (stages if isinstance(stages, dict) else {}).items():
        summary = (rows.get(name) or {}).get("summary")
        yield (
            name,
            Step(
                name,
                str(stage.get("kind", "")),
                stage.get("settings") or {},
                summary if isinstance(summary, dict) else {},
            ),
        )


def _chain(steps: Mapping[str, Step], name: str) -> tuple[Step, ...]:
    """Returns the stages from the base model to the stage `name`."""
    found: list[Step] = []
    while name in steps and steps[name] not in found:
        found.append(steps[name])
        name = str(steps[name].settings.get("model", "")) if steps[name].kind != "synthesize" else ""
    return tuple(reversed(found))


def _references(step: Step) -> set[str]:
    values = [step.settings.get(key) for key in DATA]
    lists = [value if isinstance(value, list) else [value] for value in values]
    return {str(value) for one in lists for value in one if value}


def shown_path(text: str) -> str:
    """Returns a path without the folders of this machine: an absolute path becomes its last part."""
    return Path(text).name if Path(text).is_absolute() else text


def public(value: Any) -> Any:
    """Returns a JSON value with `shown_path` of its texts, and without addresses of endpoints."""
    if isinstance(value, dict):
        return {key: public(item) for key, item in value.items()}
    if isinstance(value, list):
        return [public(item) for item in value]
    if isinstance(value, str) and "\n" not in value:
        return "" if value.startswith(("http://", "https://")) else shown_path(value)
    return value
