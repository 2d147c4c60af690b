"""LLaMA-Factory: ShareGPT conversations and their entry in `dataset_info.json` (field names: its data/README.md, "Sharegpt Format").

`human` and `observation` stand in odd places, `gpt` and `function_call` in even ones, and a row ends with the latter; rows in another order are
dropped by the loader. Loss is on every `gpt` and `function_call` unless `train_on_prompt` or `mask_history` says otherwise: leave both off.

tags   the model writes the protocol's tags itself: model turns are `gpt`, as they stand.
calls  a search is a `function_call` in JSON behind the thought, and the answer stands without tags: what a model is trained on that is asked with its
       own tools (`openai-tools:NAME`). The words of the tags are gone, so the loss is on the thought, the call and the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from masksearch.agent.prompts import messages, method_prompt
from masksearch.agent.protocol import Answer, Invalid, Open, is_well_formed, parse_turn
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
_THOUGHT = re.compile(r"\s*<think>(.+?)</think>", re.DOTALL)


def converter(shape: Shape) -> Callable[[Trajectory, Task], list[dict[str, Any]]]:
    """What makes rows of a trajectory."""
    return _with_tags if shape == "tags" else _with_calls


def _with_tags(trajectory: Trajectory, task: Task) -> list[dict[str, Any]]:
    chat = chat_of(trajectory, task)
    said = [_said("gpt" if turn.role == "model" else "observation", turn.text) for turn in chat.turns]
    return [{"id": trajectory.id, "conversations": [_said("human", chat.user), *said], "system": chat.system}]


def _with_calls(trajectory: Trajectory, task: Task) -> list[dict[str, Any]]:
    # The limits are those the loop has by default: a trajectory does not say which it was made with.
    limits = AgentSettings()
    opens = 0 if "open" not in trajectory.tools else max(1, limits.max_opens)
    method = method_prompt(trajectory.tools, "agent-tools")
    prompt = messages(
        task, method, answer_form_of(trajectory), max_searches=limits.max_searches, max_opens=opens
    )
    said = [_call(turn, trajectory.tools) for turn in turns_of(trajectory)]
    tools = json.dumps([schema(name)["function"] for name in trajectory.tools], ensure_ascii=False)
    row = {
        "conversations": [_said("human", prompt[1]["content"]), *said],
        "system": prompt[0]["content"],
        "tools": tools,
    }
    return [{"id": trajectory.id, **row}]


def _call(turn: Turn, tools: Tools) -> dict[str, str]:
    """A turn of the tag protocol as a native call or answer. Raises LeftOut for a turn out of form."""
    if turn.role == "tool":
        return _said("observation", turn.text)
    action, thought = parse_turn(turn.text, tools), _THOUGHT.match(turn.text)
    if isinstance(action, Invalid) or thought is None or not is_well_formed(turn.text, tools):
        raise LeftOut("not tellable as calls")
    # The line breaks are those that LLaMA-Factory looks for to tell the thought from the call.
    before = f"<think>\n{thought[1].strip()}\n</think>\n\n"
    if isinstance(action, Answer):
        return _said("gpt", before + action.text)
    name, arguments = (
        ("open", {"title": action.title}) if isinstance(action, Open) else ("search", {"query": action.query})
    )
    return _said(
        "function_call", before + json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    )


def _said(who: str, value: str) -> dict[str, str]:
    return {"from": who, "value": value}


def write_info(data: Path, name: str, shape: Shape) -> Path:
    """Adds the data set to `dataset_info.json` beside it, leaving the other entries as they are; returns its path. Raises DataError."""
    path = data.parent / INFO
    info = read_info(path)
    columns = {
        "messages": "conversations",
        "system": "system",
        **({"tools": "tools"} if shape == "calls" else {}),
    }
    info[name] = {"file_name": data.name, "formatting": "sharegpt", "columns": columns}
    write_json(path, info)
    return path


def read_info(path: Path) -> dict[str, Any]:
    """The entries there are. Raises DataError where the file is no JSON object."""
    if not path.exists():
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}, which the entry of the data set belongs into, could not be read ({error}); repair it, or write to another folder."
        ) from error
    if not isinstance(info, dict):
        raise DataError(
            f"{path}, which the entry of the data set belongs into, is no JSON object; repair it, or write to another folder."
        )
    return info
