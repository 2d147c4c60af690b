"""Settings of the stage `synthesize`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Settings
from masksearch.search.settings import SearchSettings


class RoleSettings(Settings):
    """The model that plays a role of the teacher `agents`."""

    llm: str = ""
    """Base URL of this role's endpoint. Empty: the stage's `llm`."""
    model: str = ""
    """Name of this role's model. Empty: the stage's `model`."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 is greedy decoding."""
    max_tokens: int = Field(1024, ge=1)
    """Maximum number of tokens of a reply."""


class AgentsSettings(Settings):
    """The teacher `agents`: models behind endpoints as planner, rewriter, observer and judge. The defaults
    are the paper's numbers."""

    added = ("grounded",)

    planner: RoleSettings = RoleSettings()
    """Model that plans the steps and the first query."""
    rewriter: RoleSettings = RoleSettings()
    """Model that writes the queries of a round."""
    observer: RoleSettings = RoleSettings()
    """Model that reads the results of a round and decides how to go on."""
    judge: RoleSettings = RoleSettings()
    """Model that judges whether the answer is correct."""
    queries: int = Field(3, ge=1)
    """Minimum number of different queries that the rewriter must write per round."""
    per_query: int = Field(10, ge=1)
    """Number of results per query."""
    merged: int = Field(10, ge=1)
    """Number of results that the observer reads, after the results of all queries of a round are merged
    round-robin."""
    max_rounds: int = Field(4, ge=1)
    """Maximum number of rounds of searching per task."""
    max_reflections: int = Field(2, ge=0)
    """Number of rounds ended by `reflect` (the results did not hold the information) after which the
    observer may answer from its own knowledge. 0: it may do so from the start."""
    passage_words: int = Field(100, ge=1)
    """Number of words of each result that the roles read."""
    grounded: bool = True
    """Reject a task if the results that the observer cites do not hold the answer, or if it cites none; and
    if the answer or a quote does not stand in what the trajectory shows. An answer from the observer's own
    knowledge is then seldom kept. false: the judge alone decides, as in the paper."""
    merged_results: bool = False
    """Whether the trajectory shows the merged results of a round as one search, as in the paper, although no
    single search returns them. Otherwise each search of the trajectory shows its own results."""
    language: Literal["en", "zh"] = "en"
    """Language of the prompts for tasks that do not name their own language."""
    prompts: str = ""
    """Folder of prompt files that replace the packaged ones (planner.j2, planner.zh.j2, ...: see
    masksearch/synthesis/prompts). Empty: the packaged ones."""
    timeout: float = Field(120.0, gt=0)
    """Seconds after which a request counts as failed."""
    retries: int = Field(4, ge=0)
    """Number of times a request is repeated after a temporary failure (429, 5xx, a lost connection)."""


class SynthesizeSettings(Settings):
    """Turns tasks or questions into trajectories."""

    basic = ("tasks", "index", "teacher", "oracle", "limit", "llm", "model", "concurrency", "seed")

    added = ("not_found",)

    tasks: Ref
    """File of RAMP tasks or questions."""
    index: Ref
    """Index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    teacher: Literal["oracle", "agents"] = "oracle"
    """Teacher: oracle (a script that knows the answers but must find the evidence) or agents (models
    behind `llm` that plan, search and observe, and a judge)."""
    oracle: Literal["planned", "first", "second"] = "planned"
    """Version of the teacher `oracle`. planned: says what it needs, searches one thing at a time, quotes and
    states each fact, says comparisons out loud; texts in other languages than English as `first`. first:
    quotes the answer in its context, and follows the supporting passages in the gold data. second: also
    quotes how a passage is linked to the task, and chooses the next search from the visible text alone."""
    not_found: float = Field(0.0, ge=0, lt=1)
    """Share of chained tasks from which the evidence of a step is hidden. The planned teacher ends them with
    the answer "not found"; their trajectories are marked and never count as right."""
    limit: int | None = Field(None, ge=1)
    """Number of kept trajectories after which the run stops. Unset, the run takes all tasks."""
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint, for the teacher `agents`. Its key is read from
    OPENAI_API_KEY."""
    model: str = ""
    """Name of the model at the endpoint `llm`."""
    agents: AgentsSettings = AgentsSettings()
    """Settings of the teacher `agents`."""
    concurrency: int = Field(16, ge=1)
    """Maximum number of requests in flight in all processes together (teacher `agents`). Nearly twice as many
    tasks run at a time."""
    max_tokens: int = Field(0, ge=0)
    """Number of tokens, of prompts and replies together, after which the run starts no further task. The same
    command with a higher limit resumes the run. 0: no limit."""
    max_cost: float = Field(0.0, ge=0)
    """Cost in US dollars (by `price_in` and `price_out`) after which the run starts no further task. 0: no
    limit."""
    price_in: dict[str, float] = Field({})
    """Price of a million prompt tokens in US dollars, by model; a model that is missing costs 0."""
    price_out: dict[str, float] = Field({})
    """Price of a million reply tokens in US dollars, by model; a model that is missing costs 0."""
    engine: Literal["local", "ray"] = "local"
    """Where the teacher `agents` runs: local (processes of this machine) or ray (a Ray cluster)."""
    workers: int = Field(1, ge=1)
    """Number of processes (teacher `agents`). One process sends up to about 500 requests a second; more
    processes help only if the endpoint answers more."""
    search: SearchSettings = SearchSettings()
    """Settings of the search."""
    agent: AgentSettings = AgentSettings()
    """Limits of the agent in the trajectories."""
    seed: int = 1
    """Seed of the order of tasks (with `limit`) and of the models' sampling."""
