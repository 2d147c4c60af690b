"""Settings of the command `audit`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Refs, Settings
from masksearch.search.settings import SearchSettings

Condition = Literal["present", "retrievable", "bridged", "unknown", "unseen"]


class AuditSettings(Settings):
    """Checks whether questions can be answered by searching, and writes those that pass."""

    basic = (
        "questions",
        "index",
        "k",
        "model",
        "llm",
        "trained_on",
        "rollouts",
        "keep",
        "kept",
        "suite",
        "limit",
    )

    questions: Ref
    """Questions or RAMP tasks to check: a file, or the name of a suite, as for `eval`."""
    index: Ref
    """The search that the questions will be asked with: an index folder, http://HOST:PORT, web:NAME or
    wikipedia:LANGUAGE."""
    suite: str = ""
    """Name of the suite. Empty: detected as `eval` does."""
    k: int = Field(5, ge=1)
    """Number of results in which a gold answer must be to count as retrievable."""
    depth: int = Field(100, ge=1)
    """Number of results in which a gold answer is looked for where the search is no index folder: such a
    corpus cannot be read as a whole."""
    model: Ref = ""
    """Model that answers closed-book: a checkpoint folder, or `openai:NAME` at the endpoint `llm`. Empty: no
    question is asked."""
    llm: str = ""
    """Base URL of the OpenAI-compatible endpoint for `openai:` models."""
    attempts: int = Field(1, ge=1)
    """Number of closed-book answers to each question: the first is greedy, further ones are sampled. A
    question is known if any of them is right."""
    trained_on: Refs = ()
    """Training files (tasks, questions or trajectories) in which the questions may be duplicated."""
    ngram: int = Field(13, ge=2)
    """Number of words in a row that make a question a duplicate of a training text."""
    rollouts: str = ""
    """Rollouts of an RL run (rollouts.jsonl, or the stage's folder), to see which share of the answer reward
    was paid although no search result showed the gold answer. Empty: not computed."""
    keep: tuple[Condition, ...] = ("present", "bridged")
    """What a question needs to be kept. present: its gold answer (and gold articles, where it names them) is
    in the corpus; retrievable: within k by its own words; bridged: within k by its own words, or with a name
    that it leads to; unknown: not answered closed-book; unseen: not duplicated in training files."""
    kept: str = ""
    """File to write the kept questions to, as JSON Lines. Empty: they are only counted."""
    limit: int | None = Field(None, ge=1)
    """Number of questions to check, from the start of the file. Unset, all questions."""
    search: SearchSettings = SearchSettings()
    """Additions to the search: reranking, caching, a limit on the request rate."""
    agent: AgentSettings = AgentSettings()
    """Limits and answer form of the closed-book answers."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of a checkpoint loaded in this process."""
    decode_slots: int = Field(48, ge=1)
    """Number of sequences that a checkpoint in this process decodes at the same time."""
    chunk: int = Field(128, ge=1)
    """Number of questions that a checkpoint answers before its answers are saved."""
    concurrency: int = Field(8, ge=1)
    """Maximum number of requests in flight to an endpoint."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Maximum share of questions that an endpoint may fail to answer."""
    seed: int = 1
    """Seed of the sampled answers."""

    @field_validator("keep")
    @classmethod
    def _measured(cls, value: tuple[Condition, ...], info: ValidationInfo) -> tuple[Condition, ...]:
        for condition, field in (("unknown", "model"), ("unseen", "trained_on")):
            if condition in value and not info.data.get(field):
                raise ValueError(f"'{condition}' needs {field}")
        return value
