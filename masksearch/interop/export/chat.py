"""Turns a trajectory into a chat: system and user first, then model turns and tool texts in alternation.

The agent loop sends the same chats to a model behind an endpoint (llm/endpoint.py): a model turn is an
unchanged assistant message, and a tool's text is a separate message without surrounding white space.

A trainer tokenises the templated chat as one text. A special token in it acts as such, even inside retrieved
text. Retrieved text is therefore neutralised again; text that this package has neutralised does not change.
Model turns are not changed: `has_special_token` reports a turn with a possible special token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from masksearch.agent.prompts import messages, method_prompt
from masksearch.agent.protocol import CONTROL
from masksearch.interop.export.exportable import LeftOut
from masksearch.text.neutralise import neutralise
from masksearch.types import Task, Trajectory, Turn

_BLOCK = re.compile(r"(<information>\n)(.*)(\n</information>)", re.DOTALL)
_REPLACED = "‹"
"""The look-alike character that `neutralise` puts in place of a bracket."""


@dataclass(frozen=True)
class Chat:
    """One trajectory. `turns` starts and ends with a model turn; model and tool turns alternate."""

    system: str
    user: str
    turns: tuple[Turn, ...]


def chat_of(trajectory: Trajectory, task: Task) -> Chat:
    """Returns the chat of a trajectory, with the prompt that `sft` uses. Raises LeftOut (see `turns_of`)."""
    prompt = messages(task, method_prompt(trajectory.tools), answer_form_of(trajectory))
    return Chat(prompt[0]["content"], prompt[1]["content"], turns_of(trajectory))


def answer_form_of(trajectory: Trajectory) -> str:
    """Returns the answer form that the trajectory's prompt asked for."""
    return str(trajectory.task.get("answer_form", "spans"))


def turns_of(trajectory: Trajectory) -> tuple[Turn, ...]:
    """Returns alternating turns, from the first to the last model turn.

    Adjacent turns of one side are joined. A tool turn at the end is dropped, because no loss follows it.
    Raises LeftOut if no model turn has text, or if the first turn is the tool's.
    """
    joined = [
        Turn(role=role, text="".join(turn.text for turn in turns))
        for role, turns in groupby(trajectory.turns, key=lambda turn: turn.role)
    ]
    if joined and joined[-1].role == "tool":
        joined.pop()
    if not any(turn.text.strip() for turn in joined if turn.role == "model"):
        raise LeftOut("no model turn")
    if joined[0].role == "tool":
        raise LeftOut("the tool speaks first")
    return tuple(
        Turn(role="tool", text=neutralise_results(turn.text.strip())) if turn.role == "tool" else turn
        for turn in joined
    )


def has_special_token(trajectory: Trajectory) -> bool:
    """Whether a model turn contains a possible special token, apart from the protocol's tags."""
    texts = (
        CONTROL.sub(" ", line)
        for turn in trajectory.turns
        if turn.role == "model"
        for line in turn.text.splitlines()
    )
    return any(_acts(text) for text in texts)


def neutralise_results(text: str) -> str:
    """Neutralises the search results in a tool's text.

    Results that are neutralised already do not change, and neither do the agent loop's correction messages.
    """
    block = _BLOCK.fullmatch(text)
    if block is None:
        return text
    lines = (neutralise(line) if _acts(line) else line for line in block[2].split("\n"))
    return block[1] + "\n".join(lines) + block[3]


def _acts(line: str) -> bool:
    """Whether a line of a search result contains a bracket that could open a tag or a special token."""
    return neutralise(line).count(_REPLACED) > line.count(_REPLACED)
