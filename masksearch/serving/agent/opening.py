"""Opens the agent of a server."""

from __future__ import annotations

from collections.abc import Callable

from masksearch.agent.loop import check_tools
from masksearch.asking.agent import Agent, check_model, open_model
from masksearch.protocols import Searcher
from masksearch.runtime.progress import say
from masksearch.serving.agent.host import Host
from masksearch.serving.settings import ServeSettings


def open_host(
    searcher: Searcher, settings: ServeSettings, on_failure: Callable[[BaseException], None]
) -> Host:
    """Returns the host of the server's model. It searches with the server's searcher; the caller starts it.

    `on_failure` is called with the error of a model that cannot be loaded. Raises UsageError or ModelError if
    the settings cannot name a model, and UsageError if they offer a tool that the search does not have.
    """
    check_model(settings)
    check_tools(searcher, settings.agent)

    def load() -> Agent:
        agent = Agent(open_model(settings), searcher, settings)
        say(f"The model {agent.policy.name} is loaded.")
        if agent.index_note:
            say(f"Note: {agent.index_note}")
        return agent

    return Host(load, settings, on_failure)
