"""Writes LLaMA-Factory data: ShareGPT conversations and their entry in `dataset_info.json`.

The field names are from LLaMA-Factory's data/README.md, "Sharegpt Format". In a row, messages 1, 3, 5, ...
are `human` or `observation`, messages 2, 4, 6, ... are `gpt` or `function_call`, and one of the latter is
the last. The loader drops rows in another order. Every `gpt` and `function_call` carries loss.
LLaMA-Factory's options `train_on_prompt` and `mask_history` change this: leave both off.

tags
    For a model that writes the protocol's tags: model turns are unchanged `gpt` messages.
calls
    For a model that uses native tools (`openai-tools:NAME`). A search is a `function_call` in JSON after the
    thought, and the answer has no tags. The thought, the call and the answer carry loss.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from masksearch.agent.prompts import messages, method_prompt
from masksearch.agent.protocol import Answer, Invalid, Open, parse_turn, thought_of
from masksearch.agent.settings import AgentSettings
from masksearch.errors import DataError
from masksearch.interop.export.chat import answer_form_of, chat_of, turns_of
from masksearch.interop.export.exportable import LeftOut
from masksearch.interop.export.settings import Shape
from masksearch.interop.export.writer import Columns
from masksearch.llm.native_tools import schema
from masksearch.runtime.files import write_json
from masksearch.types import Task, Tools, Trajectory, Turn

COLUMNS: dict[Shape, Columns] = {
    "tags": {"id": "text", "conversations": "conversations", "system": "text"},
    "calls": {"id": "text", "conversations": "conversations", "system": "text", "tools": "text"},
}
INFO = "dataset_info.json"


def converter(shape: Shape) -> Callable[[Trajectory, Task], list[dict[str, Any]]]:
    """Returns the function that turns a trajectory into rows."""
    return _with_tags if shape == "tags" else _with_calls


def _with_tags(trajectory: Trajectory, task: Task) -> list[dict[str, Any]]:
    chat = chat_of(trajectory, task)
    turns = [_message("gpt" if turn.role == "model" else "observation", turn.text) for turn in chat.turns]
    conversation = [_message("human", chat.user), *turns]
    return [{"id": trajectory.id, "conversations": conversation, "system": chat.system}]


def _with_calls(trajectory: Trajectory, task: Task) -> list[dict[str, Any]]:
    # A trajectory does not record its limits (such as searches per task), so the prompt names the defaults.
    limits = AgentSettings()
    opens = 0 if "open" not in trajectory.tools else max(1, limits.max_opens)
    method = method_prompt(trajectory.tools, "agent-tools")
    prompt = messages(
        task, method, answer_form_of(trajectory), max_searches=limits.max_searches, max_opens=opens
    )
    turns = [_call(turn, trajectory.tools) for turn in turns_of(trajectory)]
    tools = json.dumps([schema(name)["function"] for name in trajectory.tools], ensure_ascii=False)
    row = {
        "conversations": [_message("human", prompt[1]["content"]), *turns],
        "system": prompt[0]["content"],
        "tools": tools,
    }
    return [{"id": trajectory.id, **row}]


def _call(turn: Turn, tools: Tools) -> dict[str, str]:
    """Returns a turn of the tag protocol as a native call or answer. Raises LeftOut for an invalid turn."""
    if turn.role == "tool":
        return _message("observation", turn.text)
    action, thought = parse_turn(turn.text, tools), thought_of(turn.text, tools)
    if isinstance(action, Invalid) or thought is None:
        raise LeftOut("not expressible as calls")
    # LLaMA-Factory finds the end of the thought by the line breaks after it.
    before = f"<think>\n{thought.strip()}\n</think>\n\n"
    if isinstance(action, Answer):
        return _message("gpt", before + action.text)
    if isinstance(action, Open):
        call = {"name": "open", "arguments": {"title": action.title}}
    else:
        call = {"name": "search", "arguments": {"query": action.query}}
    return _message("function_call", before + json.dumps(call, ensure_ascii=False))


def _message(role: str, value: str) -> dict[str, str]:
    return {"from": role, "value": value}


def write_info(data: Path, name: str, shape: Shape) -> Path:
    """Adds the data set to `dataset_info.json` in its folder, keeping the other entries; returns the path.

    Raises DataError if the existing file is damaged.
    """
    path = data.parent / INFO
    info = read_info(path)
    columns = {"messages": "conversations", "system": "system"}
    if shape == "calls":
        columns["tools"] = "tools"
    info[name] = {"file_name": data.name, "formatting": "sharegpt", "columns": columns}
    write_json(path, info)
    return path


def read_info(path: Path) -> dict[str, Any]:
    """Returns the entries of the file, if it exists. Raises DataError if it is not a JSON object."""
    if not path.exists():
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} could not be read ({error}), but the data set needs an entry in it; repair it, or "
            "write to another folder."
        ) from error
    if not isinstance(info, dict):
        raise DataError(
            f"{path} is not a JSON object, but the data set needs an entry in it; repair it, or "
            "write to another folder."
        )
    return info
