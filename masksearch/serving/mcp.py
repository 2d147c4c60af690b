"""Serves a search, and a model that answers questions, as tools of the Model Context Protocol (MCP)."""

# This module does not import `annotations` from `__future__`: the SDK evaluates the annotations of the tools,
# whose names are local to `mcp_server`.

import signal
from typing import Annotated, Any

from pydantic import BaseModel, Field

from masksearch import __version__
from masksearch.errors import MissingExtraError, SearchError
from masksearch.protocols import PageReader, Searcher
from masksearch.runtime.progress import say
from masksearch.serving.agent.answers import Answers
from masksearch.serving.agent.mcp_tool import add_ask
from masksearch.serving.agent.opening import open_host
from masksearch.serving.service import opened
from masksearch.serving.settings import ServeSettings, check_model_given
from masksearch.serving.wire import Open, Part, Refused
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit


class Result(BaseModel):
    """A passage. The score is the retriever's own, higher is better."""

    id: str
    title: str
    text: str
    score: float


class Results(BaseModel):
    """Passages, best first."""

    results: list[Result]


def serve_mcp(searcher: Searcher, settings: ServeSettings) -> None:
    """Serves on standard input and output until the input ends. Must run in the main thread.

    Standard output carries the protocol only; text that a searcher prints does not reach it. A model loads
    while the server already answers. Raises MissingExtraError.
    """
    check_model_given(settings)
    host = open_host(searcher, settings, lambda error: say(str(error))) if settings.model else None
    server = mcp_server(searcher, settings, Answers(host, settings) if host else None)
    if host is not None:
        host.start()
    # A signal ends the process at once. An exception would have to wait for the thread that reads
    # standard input.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run("stdio")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def mcp_server(searcher: Searcher, settings: ServeSettings, answers: Answers | None = None) -> Any:
    """Returns the SDK's server with the tool `search`, with `open` if the searcher is a PageReader, and with
    `ask` if there is a model.

    Raises MissingExtraError.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.types import CallToolResult, TextContent, ToolAnnotations
    except ModuleNotFoundError as error:
        raise MissingExtraError("mcp", "mcp", "An MCP server") from error

    server = MCPServer(
        "masksearch", version=__version__, instructions=f"Searches {searcher.fingerprint}.", log_level="ERROR"
    )
    reads = ToolAnnotations(read_only_hint=True)
    query_field = Field(min_length=1, max_length=settings.max_query, description="What to search for.")
    k_field = Field(ge=1, le=settings.max_k, description="How many passages.")

    def answer(text: str, data: BaseModel) -> CallToolResult:
        return CallToolResult(
            content=[TextContent(type="text", text=text)], structured_content=data.model_dump()
        )

    @server.tool(annotations=reads)
    async def search(
        query: Annotated[str, query_field], k: Annotated[int, k_field] = 5
    ) -> Annotated[CallToolResult, Results]:
        """Find passages. Answers with the best, each with its title, text and score."""
        try:
            found = [_result(hit) for hit in await searcher.asearch(query, k)]
        except SearchError as error:
            raise ToolError(str(error)) from error
        return answer(
            "\n\n".join(f"{rank}. {one.title}\n{one.text}" for rank, one in enumerate(found, 1))
            or "Nothing was found.",
            Results(results=found),
        )

    if answers is not None:
        add_ask(server, answers)
    if not isinstance(searcher, PageReader):
        return server
    reader = searcher
    title_field = Field(
        min_length=1, max_length=settings.max_query, description="The page's title, as `search` shows it."
    )
    part_field = Field(ge=1, description="Which part, from 1.")

    @server.tool(name="open", annotations=reads)
    async def open_page(
        title: Annotated[str, title_field], part: Annotated[int, part_field] = 1
    ) -> Annotated[CallToolResult, Part]:
        """Open a page by its title and read one part of it."""
        try:
            shown = await opened(reader, Open(title=title, part=part), settings.open_words)
        except (SearchError, Refused) as error:
            raise ToolError(str(error)) from error
        return answer(f"{shown.title} ({shown.part}/{shown.parts})\n{shown.text}", shown)

    return server


def _result(hit: Hit) -> Result:
    # Ids come from the corpus too. Neutralising them is safe, because no tool takes an id.
    return Result(
        id=neutralise(hit.passage.id),
        title=neutralise(hit.passage.title),
        text=neutralise(hit.passage.text),
        score=hit.score,
    )
