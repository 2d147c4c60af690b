"""Writes data for TRL's SFTTrainer: token rows, or conversations in its two forms.

The field names are from TRL's documentation, "Dataset formats and types".

tokens
    `input_ids` and `labels`; the label is -100 for tokens without loss. TRL uses `labels` unchanged. Set
    TRL's `max_length` high enough: by default TRL cuts rows at 1024 tokens.
messages
    One conversation. Without `assistant_only_loss=True` all text carries loss. That option needs a chat
    template that marks assistant text by `{% generation %}`. TRL has such templates for well-known models
    and refuses others, such as SmolLM2. With the templates of TRL 1.16, only assistant turns carry loss,
    but some templates change a thought. Qwen3's puts the thought on separate lines. Those of GLM-4-MoE,
    LFM2.5 and Nemotron 3 drop it before a user message, but not before a tool message (see `tool_role`).
completions
    One row per model turn: all earlier text as `prompt`, the turn as `completion`. TRL puts the loss on
    completions by default, with any template. There are two drawbacks: training computes the earlier turns
    again for each turn; and each turn has the same weight, so that long trajectories weigh more.
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
    """Returns the function that turns a trajectory into rows.

    Raises ModelError or MissingExtraError if the tokenizer cannot be loaded.
    """
    if shape == "tokens":
        return token_rows(load_tokenizer(settings.model), settings.max_length)
    role = settings.tool_role or "user"

    def rows(trajectory: Trajectory, task: Task) -> list[dict[str, Any]]:
        messages = message_list(chat_of(trajectory, task), role)
        if shape == "messages":
            return [{"id": trajectory.id, "messages": messages}]
        return completion_rows(trajectory.id, messages)

    return rows


def message_list(chat: Chat, tool_role: str) -> list[dict[str, str]]:
    """Returns a chat as messages with `role` and `content`."""
    roles = {"model": "assistant", "tool": tool_role}
    turns = [{"role": roles[turn.role], "content": turn.text} for turn in chat.turns]
    return [{"role": "system", "content": chat.system}, {"role": "user", "content": chat.user}, *turns]


def completion_rows(name: str, messages: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Returns one row per model turn; the `id` of a row ends with the number of the turn."""
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
    """Returns the function that encodes the rows of stage `sft` (train/loss_mask.py) by this tokenizer."""
    from masksearch.train.loss_mask import IGNORED, encode_trajectory

    def rows(trajectory: Trajectory, task: Task) -> list[dict[str, Any]]:
        encoded = encode_trajectory(tokenizer, trajectory)
        has_text = any(turn.text.strip() for turn in trajectory.turns if turn.role == "model")
        if not has_text or all(label == IGNORED for label in encoded.labels):
            raise LeftOut("no model turn")
        if max_length is not None and len(encoded.input_ids) > max_length:
            raise LeftOut("too long")
        return [{"id": trajectory.id, "input_ids": encoded.input_ids, "labels": encoded.labels}]

    return rows


def load_tokenizer(source: str) -> Any:
    """Loads the tokenizer of a checkpoint folder or a hub name.

    Raises ModelError, or MissingExtraError if torch or transformers is not installed.
    """
    try:
        import torch  # noqa: F401  (train/loss_mask.py needs it)
        from transformers import AutoTokenizer
    except ModuleNotFoundError as error:
        package = (error.name or "transformers").partition(".")[0]
        raise MissingExtraError(package, "train", "The shape tokens") from error
    from masksearch.llm.checkpoint import quiet

    if Path(source).is_file():
        raise ModelError(f"{source} is a file, but a model is a folder with a tokenizer in it.")
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(source)
    except Exception as error:  # damaged files raise many types of error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(
            f"No tokenizer can be loaded from {source} ({reason}); name a checkpoint folder (made with: "
            "masksearch model -o DIR)."
        ) from error
