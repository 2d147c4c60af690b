"""Settings of a model that answers questions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Settings
from masksearch.search.settings import SearchSettings


class AskSettings(Settings):
    """Answers questions by searching: the model's thoughts, its searches, the answer and its sources."""

    basic = ("model", "llm", "prompt", "agent.max_searches")

    model: Ref = ""
    """Model that answers: a checkpoint folder, or the stage or run that made one; `openai:NAME` for a model
    at the endpoint `llm`; or `openai-tools:NAME` for such a model with native tool calls. Empty: the model
    of the run that the index belongs to."""
    llm: str = ""
    """Base URL of the OpenAI-compatible endpoint for `openai:` models; the key is read from the environment
    variable OPENAI_API_KEY."""
    llm_timeout: float = Field(120.0, gt=0)
    """Seconds that the endpoint has for one turn of the model, retries included. Then the question ends with
    a sentence."""
    prompt: Literal["auto", "agent", "agent-prompted"] = "auto"
    """System prompt: that of training (agent), or the protocol explained with an example, for models that
    were not trained on it (agent-prompted). auto: agent for a checkpoint, agent-prompted for an endpoint."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 is greedy decoding."""
    seed: int = 1
    """Seed of the sampling."""
    agent: AgentSettings = AgentSettings(max_tokens=512, max_length=2048, max_searches=6)
    """The agent loop: tools, limits on searches and tokens."""
    search: SearchSettings = SearchSettings()
    """Additions to the search: reranking, caching, recording, a limit on the request rate."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of a checkpoint. auto: the faster of the two on this hardware."""
    decode_slots: int = Field(8, ge=1)
    """Number of questions that a checkpoint answers at the same time; further ones wait."""
