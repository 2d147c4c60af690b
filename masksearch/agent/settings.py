"""Settings of the agent loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from masksearch.runtime.settings import Settings
from masksearch.types import SEARCH_ONLY, Tools


class AgentSettings(Settings):
    """What the agent may do; shared by synthesis, RL and evaluation so that they cannot drift apart."""

    top_k: int = Field(2, ge=1)
    """Search results shown."""
    passage_words: int = Field(70, ge=1)
    """Words shown of each result."""
    max_searches: int = Field(4, ge=0)
    max_opens: int = Field(0, ge=0)
    """Pages, or further parts of pages, that may be opened by title; 0: the tool `open` is not offered."""
    open_words: int = Field(120, ge=1)
    """Words shown of a page at a time."""
    max_tokens: int = Field(320, ge=1)
    """Model tokens of a whole trajectory."""
    turn_tokens: int = Field(160, ge=1)
    """Model tokens of one turn."""
    max_length: int = Field(1024, ge=16)
    """Tokens of prompt, model and tool together."""
    corrections: int = Field(0, ge=0)
    """Turns of an episode that ask for nothing that can be done, and are answered by a fixed message; one more ends it. 0, as in the paper: the first does."""
    answer_form: Literal["spans", "paragraph"] = "spans"

    @property
    def tools(self) -> Tools:
        """What the agent is offered."""
        return ("search", "open") if self.max_opens else SEARCH_ONLY
