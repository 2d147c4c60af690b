"""Settings of the stage `synthesize`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Settings
from masksearch.search.settings import SearchSettings


class RoleSettings(Settings):
    """Which model plays a role of the teacher `agents`."""

    llm: str = ""
    """Base URL of an endpoint of its own; empty: the stage's `llm`."""
    model: str = ""
    """Name of a model of its own; empty: the stage's `model`."""
    temperature: float = Field(0.0, ge=0)
    max_tokens: int = Field(1024, ge=1)
    """Of a reply."""


class AgentsSettings(Settings):
    """The teacher `agents`: planner, rewriter, observer and judge, models behind endpoints (numbers as in the paper)."""

    planner: RoleSettings = RoleSettings()
    rewriter: RoleSettings = RoleSettings()
    observer: RoleSettings = RoleSettings()
    judge: RoleSettings = RoleSettings()
    queries: int = Field(3, ge=1)
    """Least queries that the rewriter makes of what is looked for."""
    per_query: int = Field(10, ge=1)
    """Results of each query."""
    merged: int = Field(10, ge=1)
    """Results of all queries of a round, merged round-robin, that the observer reads."""
    max_rounds: int = Field(4, ge=1)
    """Most rounds of searching."""
    max_reflections: int = Field(2, ge=0)
    """Rounds in which nothing was found, after which the observer may go on from its own knowledge."""
    passage_words: int = Field(100, ge=1)
    """Words of each result that the roles read."""
    merged_results: bool = False
    """Let the tool say the merged results, as in the paper, although no single search brings them; otherwise a trajectory holds what its own searches bring."""
    language: Literal["en", "zh"] = "en"
    """Of the prompts, for tasks that do not name theirs."""
    prompts: str = ""
    """Folder with prompt files in place of ours (planner.j2, planner.zh.j2, ...: see masksearch/synthesis/prompts)."""
    timeout: float = Field(120.0, gt=0)
    """Seconds until a request counts as failed."""
    retries: int = Field(4, ge=0)
    """Further tries of a request that failed in a way that may pass (429, 5xx, lost connections)."""


class SynthesizeSettings(Settings):
    """Turns tasks or questions into trajectories."""

    tasks: Ref
    """A RAMP task file or a question file."""
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    teacher: Literal["oracle", "agents"] = "oracle"
    """oracle (scripted: knows the answers, but must find the evidence) or agents (models behind `llm` that plan, search, observe and are judged)."""
    oracle: Literal["first", "second"] = "first"
    """Version of the teacher `oracle`: first (quotes the span, knows which passage comes next) or second (quotes the link, must find its way)."""
    limit: int | None = Field(None, ge=1)
    """Stop at so many kept trajectories."""
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint, for the teacher `agents`; its key is read from OPENAI_API_KEY."""
    model: str = ""
    """Name of the model at that endpoint."""
    agents: AgentsSettings = AgentsSettings()
    concurrency: int = Field(16, ge=1)
    """Requests of `agents` in flight, in all processes together; up to twice as many tasks are under way."""
    max_tokens: int = Field(0, ge=0)
    """Begin no further task once so many tokens are used, of prompts and replies together; 0: no limit. A higher limit goes on."""
    max_cost: float = Field(0.0, ge=0)
    """The same in US dollars, by the price table; 0: no limit."""
    price_in: dict[str, float] = {}
    """US dollars for a million tokens of prompts, by model."""
    price_out: dict[str, float] = {}
    """US dollars for a million tokens of replies, by model."""
    engine: Literal["local", "ray"] = "local"
    workers: int = Field(1, ge=1)
    """Processes: one asks an endpoint up to about 500 times a second; more are for endpoints that answer more."""
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    seed: int = 1
