"""The keys of a recipe's top level and of every stage's table."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Settings


class RecipeFile(Settings):
    """The keys at the top level of a recipe."""

    name: str = ""
    """Name of the run, whose folder is runs/NAME; empty: the name of the recipe's file."""
    description: str = ""
    """Description of the recipe in a sentence; the report shows it."""
    corpus: str | None = None
    """Corpus of all stages that read a corpus and name neither their own nor an index with its own."""
    model: str | None = None
    """Source of all stages of the kind `model` that do not name their own."""
    seed: int = 1
    """Seed of all stages that do not name their own."""
    seeds: tuple[int, ...] = ()
    """Seeds of the stages with `per_seed = true`."""
    data: str = "data"
    """Folder of the question sets; other values write it as `{data}`."""
    vars: dict[str, Any] = Field({})
    """Names that other values write as `{name}`, with their texts or numbers."""
    size: str = ""
    """Size of the experiment: the name of a table under `sizes`. Empty: the first of them."""
    sizes: dict[str, dict[str, Any]] = Field({})
    """Sizes of the experiment by name, as tables of variables that replace those of `vars`: one recipe then
    serves a laptop and a GPU (`--set size=full`)."""
    agent: AgentSettings = AgentSettings()
    """Settings of the agent in all stages that use it; a stage's own table `agent` overrides them key by
    key."""
    stages: dict[str, dict[str, Any]] = Field(min_length=1)
    """The stages by name: [stages.NAME] with a `kind`, keys of every stage, and the settings of its kind."""


class StageTable(Settings):
    """Keys that the table of every stage may have besides the settings of its kind."""

    kind: str
    """Kind of the stage: model, index, mask, synthesize, evolve, sft, rl, eval, compare or report."""
    per_seed: bool = False
    """Run the stage once for each of the recipe's `seeds`, as NAME-s1, NAME-s2 and so on."""
    sizes: tuple[str, ...] = ()
    """Sizes of the experiment in which the stage runs (see `size`). Empty: all."""
    expect_seconds: float | None = Field(None, ge=0)
    """Seconds that the stage takes on two cores; only the estimate of the time left uses them."""
    description: str = ""
    """Description of the stage in a few words; shown when the stage starts."""
