"""Offers our search as an Inspect tool, and turns the messages of Inspect's agent into a trajectory.

    message of Inspect's agent                     turn of the trajectory
    assistant "I look.", call search(query="q")    <think>I look.</think>\\n<search>q</search>
    tool's text                                    unchanged
    assistant "Paris", no call                     <answer>Paris</answer>

Several searches in one message become consecutive turns, each followed by its result, as in our agent loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageTool
from inspect_ai.tool import Tool, ToolError, tool

from masksearch.agent.prompts import render_failure, render_information, task_language
from masksearch.agent.settings import AgentSettings
from masksearch.errors import SearchError
from masksearch.llm.endpoint import deactivate_tags
from masksearch.protocols import Searcher
from masksearch.search.wrappers.hiding import search_for_task
from masksearch.types import MaskedTask, Status, Task, Trajectory, Turn, Usage, task_json

NAME = "search"


@dataclass
class Log:
    """The tool calls of one sample."""

    retrieved: list[tuple[str, ...]] = field(default_factory=list)
    """For each search, the ids of the passages that it returned."""
    errors: list[str] = field(default_factory=list)
    """The error message of each failed search."""
    refused: bool = False
    """Whether the model called the search after the limit of searches was reached."""

    @property
    def searches(self) -> int:
        """Number of searches, including failed ones."""
        return len(self.retrieved)


@tool(name=NAME)
def search_tool(searcher: Searcher, task: Task, settings: AgentSettings, log: Log) -> Tool:
    """Returns the search tool for one task, with its limit of searches and without its hidden passages."""
    seen = search_for_task(task, searcher)

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
    """Returns the trajectory of a sample on which Inspect's agent worked.

    The answer is the last message, provided that it has text and no tool call.
    """
    turns = [turn for message in messages for turn in _turns(message, messages)]
    last = messages[-1] if messages else None
    answer = last.text.strip() if isinstance(last, ChatMessageAssistant) and not last.tool_calls else ""
    status: Status = "answered" if answer else "too_many_searches" if log.refused else "no_answer"
    # Counts words instead of tokens, because Inspect's messages have no token counts.
    words = {
        role: sum(len(turn.text.split()) for turn in turns if turn.role == role) for role in ("model", "tool")
    }
    record = task_json(task)
    if isinstance(task, MaskedTask):
        record = {**record, "answer_form": settings.answer_form}
    return Trajectory(
        id=task.id,
        task=record,
        turns=tuple(turns),
        answer=answer,
        status=status,
        model=model,
        retriever=retriever,
        usage=Usage(searches=log.searches, model_tokens=words["model"], tool_tokens=words["tool"]),
        search_errors=tuple(log.errors),
        retrieved=tuple(log.retrieved),
    )


def _turns(message: ChatMessage, messages: Sequence[ChatMessage]) -> list[Turn]:
    """Returns an assistant message as turns of a trajectory. Each search call is followed by its result
    from `messages`."""
    if not isinstance(message, ChatMessageAssistant):
        return []
    text = deactivate_tags(message.text.strip())
    if not message.tool_calls:
        return [Turn(role="model", text=f"<answer>{text}</answer>")] if text else []
    replies = {other.tool_call_id: other.text for other in messages if isinstance(other, ChatMessageTool)}
    turns: list[Turn] = []
    for call in message.tool_calls:
        thought = f"<think>{text}</think>\n" if text and not turns else ""
        query = deactivate_tags(str(call.arguments.get("query", "")))
        turns.append(Turn(role="model", text=f"{thought}<{NAME}>{query}</{NAME}>"))
        if call.id in replies:
            turns.append(Turn(role="tool", text=replies[call.id]))
    return turns
