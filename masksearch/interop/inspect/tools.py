"""Our search as a tool of Inspect, and what Inspect's own agent did with it, told as a trajectory of ours.

    assistant "I look.", call search(query="q")    <think>I look.</think>\\n<search>q</search>
    tool's text                                    as it is
    assistant "Paris", no call                     <answer>Paris</answer>

Searches of one message come one after the other, each with its result, as in the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageTool
from inspect_ai.tool import Tool, ToolError, tool

from masksearch.agent.prompts import render_failure, render_information, task_language
from masksearch.agent.settings import AgentSettings
from masksearch.errors import SearchError
from masksearch.llm.endpoint import soften
from masksearch.protocols import Searcher
from masksearch.search.wrappers.hiding import as_seen_by
from masksearch.types import MaskedTask, Status, Task, Trajectory, Turn, Usage, task_json

NAME = "search"


@dataclass
class Log:
    """What the tool was asked in one sample."""

    retrieved: list[tuple[str, ...]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refused: bool = False
    """A search beyond the limit was asked for."""

    @property
    def searches(self) -> int:
        """Searches that were made, failed ones among them."""
        return len(self.retrieved)


@tool(name=NAME)
def search_tool(searcher: Searcher, task: Task, settings: AgentSettings, log: Log) -> Tool:
    """Searches for one task, as often as the settings allow; what the task hides stays hidden."""
    seen = as_seen_by(task, searcher)

    async def execute(query: str) -> str:
        """Searches a collection of texts and returns the passages that fit best.

        Args:
            query: A few words to search for.
        """
        if log.searches >= settings.max_searches:
            log.refused = True
            raise ToolError(
                f"No search is left: there are {settings.max_searches}. Reply with the result alone."
            )
        log.retrieved.append(())
        place = len(log.retrieved) - 1
        try:
            hits = await seen.asearch(query, settings.top_k)
        except SearchError as error:
            log.errors.append(str(error))
            return render_failure(task_language(task)).strip()
        log.retrieved[place] = tuple(hit.passage.id for hit in hits)
        return render_information(hits, settings.passage_words, task_language(task)).strip()

    return execute


def trajectory_of(
    task: Task, messages: Sequence[ChatMessage], log: Log, settings: AgentSettings, model: str, retriever: str
) -> Trajectory:
    """The record of a sample that Inspect's agent worked on. Without a last word there is no answer."""
    turns = [turn for message in messages for turn in _turns(message, messages)]
    last = messages[-1] if messages else None
    answer = last.text.strip() if isinstance(last, ChatMessageAssistant) and not last.tool_calls else ""
    status: Status = "answered" if answer else "too_many_searches" if log.refused else "no_answer"
    written = {
        role: sum(len(turn.text.split()) for turn in turns if turn.role == role) for role in ("model", "tool")
    }
    return Trajectory(
        id=task.id,
        task={
            **task_json(task),
            **({"answer_form": settings.answer_form} if isinstance(task, MaskedTask) else {}),
        },
        turns=tuple(turns),
        answer=answer,
        status=status,
        model=model,
        retriever=retriever,
        usage=Usage(searches=log.searches, model_tokens=written["model"], tool_tokens=written["tool"]),
        search_errors=tuple(log.errors),
        retrieved=tuple(log.retrieved),
    )


def _turns(message: ChatMessage, messages: Sequence[ChatMessage]) -> list[Turn]:
    """The turns of an assistant's message, with the replies to its calls."""
    if not isinstance(message, ChatMessageAssistant):
        return []
    said = soften(message.text.strip())
    if not message.tool_calls:
        return [Turn(role="model", text=f"<answer>{said}</answer>")] if said else []
    replies = {other.tool_call_id: other.text for other in messages if isinstance(other, ChatMessageTool)}
    turns: list[Turn] = []
    for call in message.tool_calls:
        thought = f"<think>{said}</think>\n" if said and not turns else ""
        turns.append(
            Turn(
                role="model", text=f"{thought}<{NAME}>{soften(str(call.arguments.get('query', '')))}</{NAME}>"
            )
        )
        if call.id in replies:
            turns.append(Turn(role="tool", text=replies[call.id]))
    return turns
