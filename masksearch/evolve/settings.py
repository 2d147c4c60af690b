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
    """Self-evolution: each round trains a teacher, and its correct rollouts become training data."""

    model: Ref
    """Initial model: a checkpoint folder."""
    trajectories: Refs = Field(min_length=1)
    """Seed data: trajectories of the scripted teacher or of agents."""
    tasks: Refs = Field(min_length=1)
    """RAMP task files or question files with the fresh tasks; each task is used in one round only."""
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    heldout: Ref = ""
    """Tasks or questions that evaluate each round's teacher, with greedy decoding. Empty: no evaluation,
    and the rounds never stop early because of a missing gain."""
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
    """Decides whether an answer is correct: the span metric (f1) or the judge; auto: the judge if
    `judge.url` is set, else f1."""
    min_f1: float = Field(1.0, gt=0, le=1)
    """Minimum F1 of a correct answer under the span metric."""
    judge: JudgeSettings = JudgeSettings()
    """The judge; its strict verdict counts, or the relaxed verdict if that is the only mode."""
    min_searches: int = Field(1, ge=0)
    """Minimum number of searches of a kept trajectory: a lucky guess without a search teaches no searching.
    """
    keep_per_task: int = Field(2, ge=1)
    """Maximum number of trajectories kept per task and round."""
    near_copies: float = Field(0.8, gt=0, le=1)
    """Jaccard similarity of thoughts and queries from which trajectories are near-copies; the first
    trajectory is kept."""
    per_document: int = Field(4, ge=0)
    """Maximum number of trajectories per document, seed data included; 0: no limit."""
    pattern_share: float = Field(0.2, gt=0, le=1)
    """Largest share of a round's correct trajectories that are kept with the same query pattern."""
    mix: float = Field(0.25, ge=0, lt=1)
    """Minimum share of the seed data in a teacher's training data; seed data is repeated to reach it."""
    patience: int = Field(2, ge=0)
    """Stop after this many consecutive rounds without a gain on `heldout`; 0: never."""
    metric: Literal["f1", "recall", "em"] = "f1"
    """Metric of the gain on `heldout`."""
    min_gain: float = Field(0.0, ge=0, lt=1)
    """A round gains if its mean of `metric` on `heldout` exceeds that of the best earlier round by more than
    this."""
    take: Literal["best", "last"] = "best"
    """Round whose model is the product: best (on `heldout`; without it the last round) or last."""
    keep_models: bool = False
    """Keep the models of all rounds; otherwise only the models of the best and the last round are kept."""
    sft: EvolveSftSettings = EvolveSftSettings()
    """Training of each round's teacher."""
    search: SearchSettings = SearchSettings()
    """Options of the search that the agent uses."""
    agent: AgentSettings = AgentSettings()
    """Limits and tools of the agent loop."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of training and decoding; auto: bfloat16 if the hardware multiplies it natively, else
    float32."""
    decode_slots: int = Field(48, ge=1)
    """Sequences that are decoded together."""
    chunk: int = Field(32, ge=1)
    """Tasks whose rollouts are saved together; a resumed run repeats whole chunks, so its data is the
    same."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the rollouts and of the held-out tasks that may have a failed search; above this share the
    run stops."""
    bootstrap: int = Field(2000, ge=100)
    """Bootstrap resamples of the 95% intervals."""
    seed: int = 1
    """Seed of the task order, the training, the rollouts and the bootstrap."""
