"""Opens the agent of a server."""

from __future__ import annotations

from collections.abc import Callable

from masksearch.agent.loop import check_tools
from masksearch.asking.agent import Agent
from masksearch.llm.opening import open_policy
from masksearch.protocols import Searcher
from masksearch.runtime.progress import say
from masksearch.serving.agent.host import Host
from masksearch.serving.settings import ServeSettings


def open_host(
    searcher: Searcher, settings: ServeSettings, on_failure: Callable[[BaseException], None]
) -> Host:
    """Returns the host of the server's model. It searches with the server's searcher; the caller starts it.

    `on_failure` is called with the error of a model that cannot be loaded. Raises UsageError if the settings
    offer a tool that the search does not have.
    """
    check_tools(searcher, settings.agent)

    def load() -> Agent:
        policy = open_policy(
            settings.model, settings.llm, settings.dtype, settings.decode_slots, settings.agent.max_length
        )
        agent = Agent(policy, searcher, settings)
        say(f"The model {policy.name} is loaded.")
        return agent

    return Host(load, settings, on_failure)
