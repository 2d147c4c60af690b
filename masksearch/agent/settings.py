"""Settings of the agent loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.runtime.settings import Settings
from masksearch.types import SEARCH_ONLY, Tools


class AgentSettings(Settings):
    """Tools and limits of the agent. Synthesis, RL and evaluation use the same settings."""

    top_k: int = Field(2, ge=1)
    """Number of search results shown to the model."""
    passage_words: int = Field(70, ge=1)
    """Maximum number of words shown of each search result."""
    max_searches: int = Field(4, ge=0)
    """Maximum number of searches of an episode; a further search ends the episode.

    0: the first search ends the episode.
    """
    max_opens: int = Field(0, ge=0)
    """Maximum number of times that an episode opens a page by title; opening the next part of a page
    counts too. One more opening ends the episode. 0: the agent does not get the tool `open`."""
    open_words: int = Field(120, ge=1)
    """Number of words of an opened page shown at a time."""
    max_tokens: int = Field(320, ge=1)
    """Maximum number of model tokens of an episode."""
    turn_tokens: int = Field(160, ge=1)
    """Maximum number of model tokens of one turn."""
    max_length: int = Field(1024, ge=16)
    """Maximum number of tokens of prompt, model and tools together in an episode."""
    corrections: int = Field(0, ge=0)
    """Maximum number of invalid turns in an episode that are answered by a fixed correction message. One
    more invalid turn ends the episode. 0: the first invalid turn ends the episode, as in the paper."""
    answer_form: Literal["spans", "paragraph"] = "spans"
    """Form of the answer to a RAMP task: `spans` (the missing words only) or `paragraph` (the whole text)."""

    @property
    def tools(self) -> Tools:
        """The tools that the agent gets."""
        return ("search", "open") if self.max_opens else SEARCH_ONLY
