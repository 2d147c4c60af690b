"""A trajectory as a chat: system and user first, then model turns and the tool's texts in turn.

This is how the agent loop asks a model behind an endpoint (llm/endpoint.py): a model turn is an assistant message as it was written, a tool's
text a message of its own, without the white space around it.

A chat template is applied to a chat as one text, in which a special token is one whoever wrote it. So what was retrieved is made harmless once
more, which changes nothing that this package has written, and a model turn with something like a special token in it is `marked`.
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
"""What stands for a bracket that was made harmless."""


@dataclass(frozen=True)
class Chat:
    """One trajectory. `turns` begins and ends with a model turn, and model and tool take turns."""

    system: str
    user: str
    turns: tuple[Turn, ...]


def chat_of(trajectory: Trajectory, task: Task) -> Chat:
    """The chat of a trajectory, with the prompt that `sft` trains it with. Raises LeftOut where the model says nothing in it."""
    prompt = messages(task, method_prompt(trajectory.tools), answer_form_of(trajectory))
    return Chat(prompt[0]["content"], prompt[1]["content"], turns_of(trajectory))


def answer_form_of(trajectory: Trajectory) -> str:
    """The form of answer that the trajectory's prompt asked for."""
    return str(trajectory.task.get("answer_form", "spans"))


def turns_of(trajectory: Trajectory) -> tuple[Turn, ...]:
    """Turns that alternate, from the model's first to its last; what the tool says at the end is learnt by nobody.

    Raises LeftOut where the model says nothing.
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
        Turn(role="tool", text=harmless(turn.text.strip())) if turn.role == "tool" else turn
        for turn in joined
    )


def marked(trajectory: Trajectory) -> bool:
    """Whether a model turn has something in it, beside the protocol's tags, that a chat template could take for a special token."""
    texts = (
        CONTROL.sub(" ", line)
        for turn in trajectory.turns
        if turn.role == "model"
        for line in turn.text.splitlines()
    )
    return any(_acts(text) for text in texts)


def harmless(text: str) -> str:
    """A tool's text, nothing in whose results can act. What was made harmless before stays as it is, and so do the loop's own corrections."""
    block = _BLOCK.fullmatch(text)
    if block is None:
        return text
    lines = (neutralise(line) if _acts(line) else line for line in block[2].split("\n"))
    return block[1] + "\n".join(lines) + block[3]


def _acts(line: str) -> bool:
    return neutralise(line).count(_REPLACED) > line.count(_REPLACED)
