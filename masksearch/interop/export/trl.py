"""TRL's SFTTrainer: rows of tokens, or conversations in its two forms (field names: TRL's documentation, "Dataset formats and types").

tokens       `input_ids` and `labels`, -100 where there is no loss. TRL takes `labels` as they are. Set `max_length` high enough: it cuts at 1024.
messages     one conversation. `assistant_only_loss=True` is needed, or the loss is on everything; it needs a chat template that marks what an
             assistant writes by `{% generation %}`. TRL brings such templates for well-known models, and refuses the others, SmolLM2's among them.
             With TRL 1.16's own templates the loss is on assistant turns alone; what some of them make of a thought is another matter: Qwen3's set
             it on lines of its own; those of GLM-4-MoE, LFM2.5 and Nemotron 3 drop it before a user's message, but not before a tool's (tool_role).
completions  a row for each model turn: all before it as `prompt`, the turn as `completion`. TRL puts the loss on completions by default, whatever the
             template; in exchange, beginnings are computed again for each turn, and a turn weighs the same whatever the length of its trajectory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from masksearch.errors import MissingExtraError, ModelError
from masksearch.interop.export.chat import Chat, chat_of
from masksearch.interop.export.exportable import LeftOut
from masksearch.interop.export.settings import ExportSettings, Shape
from masksearch.interop.export.writer import Columns
from masksearch.types import Task, Trajectory

COLUMNS: dict[Shape, Columns] = {
    "tokens": {"id": "text", "input_ids": "tokens", "labels": "tokens"},
    "messages": {"id": "text", "messages": "messages"},
    "completions": {"id": "text", "prompt": "messages", "completion": "messages"},
}
Converter = Callable[[Trajectory, Task], list[dict[str, Any]]]


def converter(shape: Shape, settings: ExportSettings) -> Converter:
    """What makes rows of a trajectory. Raises ModelError and MissingExtraError where the tokenizer cannot be loaded."""
    if shape == "tokens":
        return token_rows(load_tokenizer(settings.model), settings.max_length)
    role = settings.tool_role or "user"
    if shape == "messages":
        return lambda trajectory, task: [
            {"id": trajectory.id, "messages": message_list(chat_of(trajectory, task), role)}
        ]
    return lambda trajectory, task: completion_rows(
        trajectory.id, message_list(chat_of(trajectory, task), role)
    )


def message_list(chat: Chat, tool_role: str) -> list[dict[str, str]]:
    """A chat as messages with `role` and `content`."""
    roles = {"model": "assistant", "tool": tool_role}
    said = [{"role": roles[turn.role], "content": turn.text} for turn in chat.turns]
    return [{"role": "system", "content": chat.system}, {"role": "user", "content": chat.user}, *said]


def completion_rows(name: str, messages: list[dict[str, str]]) -> list[dict[str, Any]]:
    """One row a model turn, numbered in its `id`."""
    places = [
        place
        for place, message in enumerate(messages)
        if message["role"] == "assistant" and message["content"].strip()
    ]
    return [
        {"id": f"{name}#{number}", "prompt": messages[:place], "completion": [messages[place]]}
        for number, place in enumerate(places, 1)
    ]


def token_rows(tokenizer: Any, max_length: int | None) -> Converter:
    """The rows that stage `sft` trains on (train/tokens.py), by this tokenizer."""
    from masksearch.train.tokens import IGNORED, encode_trajectory

    def rows(trajectory: Trajectory, task: Task) -> list[dict[str, Any]]:
        encoded = encode_trajectory(tokenizer, trajectory)
        if not any(turn.text.strip() for turn in trajectory.turns if turn.role == "model") or all(
            label == IGNORED for label in encoded.labels
        ):
            raise LeftOut("no model turn")
        if max_length is not None and len(encoded.input_ids) > max_length:
            raise LeftOut("too long")
        return [{"id": trajectory.id, "input_ids": encoded.input_ids, "labels": encoded.labels}]

    return rows


def load_tokenizer(source: str) -> Any:
    """The tokenizer of a checkpoint folder or a hub's name. Raises ModelError, and MissingExtraError without the packages."""
    try:
        import torch  # noqa: F401  (train/tokens.py stands on it)
        from transformers import AutoTokenizer
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            (error.name or "transformers").partition(".")[0], "train", "Rows of tokens"
        ) from error
    from masksearch.llm.checkpoint import quiet

    if Path(source).is_file():
        raise ModelError(f"{source} is a file, but a model is a folder with a tokenizer in it.")
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(source)
    except Exception as error:  # whatever the readers of damaged files raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(
            f"No tokenizer can be loaded from {source} ({reason}); name a checkpoint folder (made with: masksearch model -o DIR)."
        ) from error
