"""Settings of the stage `evolve`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.scoring.settings import JudgeSettings
from masksearch.search.settings import SearchSettings
from masksearch.train.settings import SupervisedSettings


class EvolveSftSettings(SupervisedSettings):
    """SFT in each round of self-evolution. The round itself sets the model, the trajectories and the seed."""


class EvolveSettings(Settings):
    """Self-evolution: each round trains a teacher, and its correct rollouts become training data."""

    added = ("grounded",)
    basic = ("heldout", "rounds", "tasks_per_round", "samples", "accept", "metric", "seed")

    model: Ref
    """Initial model: a checkpoint folder."""
    trajectories: Refs = Field(min_length=1)
    """Seed data: trajectories of the scripted teacher or of agents."""
    tasks: Refs = Field(min_length=1)
    """RAMP task files or question files with the fresh tasks; each task is used in one round only."""
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    heldout: Ref = ""
    """Held-out tasks or questions. Each round's teacher is evaluated on them with greedy decoding. Empty: no
    evaluation, and the rounds never stop early because of a missing gain."""
    heldout_limit: int | None = Field(None, ge=1)
    """Number of held-out tasks to use, from the start of the file. Unset, all held-out tasks are used."""
    rounds: int = Field(3, ge=1)
    """Maximum number of rounds."""
    tasks_per_round: int = Field(1000, ge=1)
    """Fresh tasks per round."""
    samples: int = Field(4, ge=1)
    """Rollouts per task."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature of the rollouts."""
    start: Literal["base", "previous"] = "base"
    """Model that each round trains: base (the initial model) or previous (the previous round's teacher)."""
    accept: Literal["auto", "f1", "judge"] = "auto"
    """What decides whether an answer is correct: f1 (the span metric) or judge. auto: the judge if
    `judge.url` is set, else f1."""
    min_f1: float = Field(1.0, gt=0, le=1)
    """Minimum F1 of a correct answer under the span metric."""
    judge: JudgeSettings = JudgeSettings()
    """The judge of answers. Its strict verdict decides, or its relaxed verdict if that is its only mode."""
    min_searches: int = Field(1, ge=0)
    """Minimum number of searches of a kept trajectory. A correct guess without a search would not teach the
    model to search."""
    grounded: bool = True
    """Keep only trajectories whose answers stand in the search results (or are inferred from them) and whose
    quotes stand in the results that they name. The manifest counts the others by reason."""
    keep_per_task: int = Field(2, ge=1)
    """Maximum number of trajectories kept per task and round."""
    near_copies: float = Field(0.8, gt=0, le=1)
    """Trajectories whose thoughts and queries have at least this Jaccard similarity are near-copies; only the
    first of them is kept."""
    per_document: int = Field(4, ge=0)
    """Maximum number of trajectories per document, seed data included; 0: no limit."""
    pattern_share: float = Field(0.2, gt=0, le=1)
    """Maximum number of kept trajectories with the same query pattern, as a share of a round's correct
    trajectories. A query pattern is the form of the queries without the words about their subject."""
    mix: float = Field(0.25, ge=0, lt=1)
    """Minimum share of the seed data in a teacher's training data; seed data is repeated to reach it."""
    patience: int = Field(2, ge=0)
    """Stop after this number of consecutive rounds without a gain on `heldout`; 0: never stop for this."""
    metric: Literal["f1", "recall", "em"] = "f1"
    """Metric by which rounds are compared on `heldout`."""
    min_gain: float = Field(0.0, ge=0, lt=1)
    """A round has a gain if its mean of `metric` on `heldout` exceeds that of the best earlier round by more
    than this."""
    take: Literal["best", "last"] = "best"
    """Round whose model the stage writes: best (on `heldout`; without `heldout` the last round) or last."""
    keep_models: bool = False
    """Keep the models of all rounds in the work folder, not only those of the chosen and the last round."""
    sft: EvolveSftSettings = EvolveSftSettings()
    """Training of each round's teacher."""
    search: SearchSettings = SearchSettings()
    """Settings of the search that the agent uses."""
    agent: AgentSettings = AgentSettings()
    """Limits and tools of the agent loop."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of training and decoding. auto: the faster of the two on this hardware. On a processor
    with bfloat16 multiplication both are measured, for training and for decoding, once for each processor."""
    decode_slots: int = Field(48, ge=1)
    """Number of rollouts that are decoded together."""
    chunk: int = Field(32, ge=1)
    """Number of tasks whose rollouts are saved together. A resumed run repeats the whole chunk that was
    interrupted, so its data is the same as without the interruption."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Largest share of rollouts with a failed search, for the fresh tasks and for the held-out tasks. Above
    this share the run stops with an error."""
    bootstrap: int = Field(2000, ge=100)
    """Number of bootstrap resamples for the 95% intervals."""
    seed: int = 1
    """Seed of the task order, the training, the rollouts and the bootstrap."""
