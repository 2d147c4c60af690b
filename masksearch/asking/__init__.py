"""Asking a model: one question in, a trajectory out while it happens, and the answer with its sources.

    agent = open_agent(settings)
    reply = await agent.ask("Who directed Heat?", watch=print)
    reply.answer, reply.sources

`settings` has AskSettings, `agent` opens model and search and asks, `sources` finds what an answer rests on,
`show` prints a trajectory while it happens, `notes` says where question, search and model may not fit each
other, `patience` limits the time of a model behind an endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksearch.runtime.extras import lazy_names

if TYPE_CHECKING:
    from masksearch.asking.agent import Agent, Reply, open_agent
    from masksearch.asking.settings import AskSettings
    from masksearch.asking.sources import Source, sources_of

__all__ = ["Agent", "AskSettings", "Reply", "Source", "open_agent", "sources_of"]
__getattr__ = lazy_names(
    __name__,
    {
        "Agent": "agent",
        "AskSettings": "settings",
        "Reply": "agent",
        "Source": "sources",
        "open_agent": "agent",
        "sources_of": "sources",
    },
)
