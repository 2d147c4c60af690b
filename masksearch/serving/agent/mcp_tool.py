"""The MCP tool `ask`: a question, answered by the model."""

# This module does not import `annotations` from `__future__`: the SDK evaluates the annotations of the tool,
# whose names are local to `add_ask`.

import asyncio
from typing import Annotated, Any

from pydantic import BaseModel, Field

from masksearch.asking.agent import LONGEST
from masksearch.errors import MaskSearchError
from masksearch.serving.agent.answers import Answers, Record
from masksearch.serving.agent.steps import Step
from masksearch.serving.wire import Refused


class Source(BaseModel):
    """A passage that the answer rests on; `sentence` holds the answer, or what the model quotes."""

    id: str
    title: str
    sentence: str


class Answered(BaseModel):
    """An answer. `grounded`: the search results hold it. `fault` says why there is no answer; `notes` are
    sentences about an index that may not fit the question or the model."""

    answer: str
    grounded: bool
    fault: str
    notes: list[str]
    searches: list[str]
    sources: list[Source]


def add_ask(server: Any, answers: Answers) -> None:
    """Adds the tool to the SDK's server. The searches are reported as progress while they happen."""
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import CallToolResult, TextContent, ToolAnnotations

    field = Field(min_length=1, max_length=LONGEST, description="The question, in words.")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))  # type: ignore[untyped-decorator]
    async def ask(
        question: Annotated[str, field], context: Context[Any, Any]
    ) -> Annotated[CallToolResult, Answered]:
        """Let the trained model answer a question by searching. Answers with the sources it rests on."""
        searches: list[str] = []
        reports: set[asyncio.Task[None]] = set()

        def show(step: Step) -> None:
            if step["step"] == "search":
                searches.append(step["query"])
                report = context.report_progress(len(searches), message=f"Search: {step['query']}")
                reports.add(asyncio.ensure_future(report))

        try:
            await answers.host.wait_until_ready()
            record = await answers.ask(question, show)
        except (MaskSearchError, Refused) as error:
            raise ToolError(str(error)) from error
        finally:
            await asyncio.gather(*reports, return_exceptions=True)
        found = _answered(record, searches)
        return CallToolResult(
            content=[TextContent(type="text", text=_text(found))],
            structured_content=found.model_dump(),
            is_error=record["status"] == "model_failed",
        )


def _answered(record: Record, searches: list[str]) -> Answered:
    return Answered(
        answer=record["answer"],
        grounded=record["grounded"],
        fault=record["fault"],
        notes=record["notes"],
        searches=searches,
        sources=[Source(**{name: row[name] for name in Source.model_fields}) for row in record["sources"]],
    )


def _text(found: Answered) -> str:
    """Returns an answer as text for a model that reads it."""
    notes = [f"Note: {note}" for note in found.notes]
    if found.fault:
        return "\n".join([found.fault, *notes])
    mark = "grounded" if found.grounded else "not found in what was read"
    lines = [f"{found.answer} ({mark})"]
    lines += [f"- {row.title}: {row.sentence}" if row.sentence else f"- {row.title}" for row in found.sources]
    return "\n".join([*lines, *notes])
