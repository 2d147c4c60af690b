"""The MCP tool `ask`, in this process and over streamable HTTP, with the official client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kit.agent_server import TURNS, Slow, asking, scripted, settings
from kit.endpoint import Endpoint, say
from kit.places import REPOSITORY
from kit.serving_fakes import index, running
from kit.waiting import LONG, wait_for
from mcp import Client, StdioServerParameters

from masksearch.asking.agent import Agent
from masksearch.errors import ModelError
from masksearch.serving.agent.answers import Answers
from masksearch.serving.agent.host import Host
from masksearch.serving.mcp import mcp_server
from masksearch.serving.settings import ServeSettings

SCRIPT = """
import sys
sys.path.insert(0, {helpers!r})
from kit.serving_fakes import index
from masksearch.serving.mcp import serve_mcp
from masksearch.serving.settings import ServeSettings

serve_mcp(index(), ServeSettings(model="openai:m", llm={url!r}))
"""


def use(server: Any, act: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Client(server, read_timeout_seconds=LONG) as client:
            await act(client)

    asyncio.run(run())


def text_of(result: Any) -> str:
    return str(result.content[0].text)


def with_tool(load: Callable[[], Agent], act: Callable[[Client], Awaitable[None]]) -> None:
    chosen = settings()
    host = Host(load, chosen)
    host.start()
    try:
        use(mcp_server(index(), chosen, Answers(host, chosen)), act)
    finally:
        host.close()


async def check(client: Client) -> None:
    assert {tool.name for tool in (await client.list_tools()).tools} == {"search", "open", "ask"}
    reports: list[str] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append(str(message))

    result = await client.call_tool("ask", {"question": "Who discovered radium?"}, progress_callback=report)
    assert not result.is_error
    found = result.structured_content
    assert (found["answer"], found["grounded"], found["fault"]) == ("Marie Curie", True, "")
    assert found["searches"] == ["who discovered radium"]
    assert found["notes"] == []
    noted = await client.call_tool("ask", {"question": "Кто открыл радий?"})
    (note,) = noted.structured_content["notes"]
    assert note.startswith("The index has no word of this question")
    assert text_of(noted).endswith(f"\nNote: {note}")
    assert found["sources"][0]["title"] == "Marie Curie"
    assert text_of(result).startswith("Marie Curie (grounded)\n- Marie Curie: Marie Curie discovered")
    assert reports == ["Search: who discovered radium"]
    for bad in ({"question": ""}, {"question": "x" * 2001}, {"question": " "}, {}):
        assert (await client.call_tool("ask", bad)).is_error
    assert not (await client.call_tool("search", {"query": "radium"})).is_error


def test_a_client_asks_and_sees_the_searches() -> None:
    chosen = settings()
    with_tool(lambda: Agent(scripted(*TURNS), index(), chosen), check)


@pytest.mark.slow
def test_over_standard_input_and_output_it_is_the_same() -> None:
    turns = [say(turn.replace("</search>", "").replace("</answer>", "")) for turn in TURNS]
    with Endpoint(turns) as endpoint:
        code = SCRIPT.format(helpers=str(REPOSITORY / "tests"), url=endpoint.url)
        use(StdioServerParameters(command=sys.executable, args=["-c", code]), check)


def test_a_model_that_cannot_be_loaded_is_an_error_of_the_tool() -> None:
    def load() -> Agent:
        raise ModelError("There is no model here.")

    async def act(client: Client) -> None:
        result = await client.call_tool("ask", {"question": "Who?"})
        assert result.is_error
        assert "There is no model here." in text_of(result)
        assert not (await client.call_tool("search", {"query": "radium"})).is_error

    with_tool(load, act)


def test_without_a_model_there_is_no_tool_for_questions() -> None:
    async def act(client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"search", "open"}

    use(mcp_server(index(), ServeSettings()), act)


@pytest.mark.slow
def test_over_streamable_http_it_is_the_same() -> None:
    with asking(scripted(*TURNS), settings(mcp_http=True)) as server:
        use(f"{server.url}/mcp", check)
        assert server.metric('masksearch_http_requests_total{path="/mcp",status="200"}') > 0
        assert server.retrieve("radium").status_code == 200


@pytest.mark.slow
def test_a_search_server_speaks_it_too() -> None:
    async def act(client: Client) -> None:
        assert not (await client.call_tool("search", {"query": "radium"})).is_error

    with running(index(), ServeSettings(drain=0, mcp_http=True)) as server:
        use(f"{server.url}/mcp", act)


@pytest.mark.slow
def test_a_client_that_goes_away_frees_its_slot() -> None:
    slow = Slow()

    async def act(client: Client) -> None:
        call = asyncio.ensure_future(client.call_tool("ask", {"question": "Who?"}))
        while not slow.running:
            await asyncio.sleep(0.01)
        call.cancel()

    with asking(slow, settings(mcp_http=True)) as server:
        use(f"{server.url}/mcp", act)
        wait_for(lambda: slow.running == 0)
