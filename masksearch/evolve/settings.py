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
    """SFT in each round of self-evolution; the rounds set the model, the trajectories and the seed."""


class EvolveSettings(Settings):
    """Self-evolution: a teacher is trained, works fresh tasks, and what it got right becomes its next training data."""

    model: Ref
    """The model to begin with: a checkpoint folder."""
    trajectories: Refs = Field(min_length=1)
    """Seed data, by the scripted teacher or by agents."""
    tasks: Refs = Field(min_length=1)
    """RAMP task or question files that fresh tasks are drawn from; each task is used in one round only."""
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    heldout: Ref = ""
    """Tasks or questions that each round's teacher is measured on, greedily; empty: no measure, and all rounds are done."""
    heldout_limit: int | None = Field(None, ge=1)
    """Measure on the first so many."""
    rounds: int = Field(3, ge=1)
    """Most rounds."""
    tasks_per_round: int = Field(1000, ge=1)
    samples: int = Field(4, ge=1)
    """Rollouts of each task."""
    temperature: float = Field(1.0, gt=0)
    """Of the rollouts."""
    start: Literal["base", "previous"] = "base"
    """What each round trains: the model to begin with, or the teacher of the round before."""
    accept: Literal["auto", "f1", "judge"] = "auto"
    """What says that an answer is correct: the span metric (f1) or the judge; auto: the judge where `judge.url` is given."""
    min_f1: float = Field(1.0, gt=0, le=1)
    """From this F1 on an answer is correct, by the span metric."""
    judge: JudgeSettings = JudgeSettings()
    """The strict verdict counts, or the relaxed one where that alone is among `modes`."""
    min_searches: int = Field(1, ge=0)
    """Correct trajectories with fewer searches are not kept: nothing about searching is learnt from a lucky guess."""
    keep_per_task: int = Field(2, ge=1)
    """Most correct trajectories of one task that are kept."""
    near_copies: float = Field(0.8, gt=0, le=1)
    """Of trajectories whose thoughts and queries are alike from this Jaccard similarity on, the first is kept."""
    per_document: int = Field(4, ge=0)
    """Most trajectories on one document, seed data included; 0: any number."""
    pattern_share: float = Field(0.2, gt=0, le=1)
    """Most of a round's correct trajectories that may follow one query pattern, as a share."""
    mix: float = Field(0.25, ge=0, lt=1)
    """Least share of the seed data in what a teacher is trained on; where there is less of it, it is repeated."""
    patience: int = Field(2, ge=0)
    """Stop after so many rounds in a row without gain on `heldout`; 0: never."""
    metric: Literal["f1", "recall", "em"] = "f1"
    """Measure on `heldout` in which a gain is looked for."""
    min_gain: float = Field(0.0, ge=0, lt=1)
    """A round gains if its mean is higher by more than this than that of the best round before it."""
    take: Literal["best", "last"] = "best"
    """Whose model is the product: the best round's on `heldout` (without one, the last round's), or the last round's."""
    keep_models: bool = False
    """Keep the model of every round, and not those of the best and the last alone."""
    sft: EvolveSftSettings = EvolveSftSettings()
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of training and decoding; auto: bfloat16 where the hardware multiplies it, else float32."""
    decode_slots: int = Field(48, ge=1)
    chunk: int = Field(32, ge=1)
    """Tasks whose rollouts are written down together; a resumed run repeats whole chunks only, so that it ends with the same data."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the rollouts, and of the measured tasks, that a search may fail; above it the run stops."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of the 95% intervals."""
    seed: int = 1
