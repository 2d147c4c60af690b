"""Trajectories as tokens: loss on every model token, and on no other (paper: I(y_t) = 0 for prompt and retrieved text).

Each stretch is tokenised by itself, just as in a rollout, where the tool's text is appended to the tokens that the
model wrote; so training sees the same tokens that decoding will see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from masksearch.agent.prompts import messages, messages_hash, method_prompt, templates_hash
from masksearch.errors import TrainingError
from masksearch.llm.base import Message
from masksearch.llm.token_session import encode_plain, encode_prompt
from masksearch.types import Trajectory, Turn, task_from_json

IGNORED = -100


@dataclass(frozen=True)
class Encoded:
    """Token ids of a whole trajectory and, of equal length, the labels: the id itself or -100."""

    input_ids: list[int]
    labels: list[int]
    task: str = ""
    """The task's id."""
    masks: int = 0
    """Of the task; 0 for a question."""
    answer_tokens: int = 0
    """So many of the last labels are the answer's."""


def encode_turns(
    tokenizer: Any, prompt_ids: Sequence[int], turns: Sequence[Turn], end_id: int | None
) -> Encoded:
    """Prompt and turns as tokens; `end_id` (the end of a message) is learnt behind a last turn of the model's."""
    ids, labels = list(prompt_ids), [IGNORED] * len(prompt_ids)
    for turn in turns:
        piece = encode_plain(tokenizer, turn.text)
        ids += piece
        labels += piece if turn.role == "model" else [IGNORED] * len(piece)
    if end_id is not None and turns and turns[-1].role == "model":
        ids.append(end_id)
        labels.append(end_id)
    return Encoded(ids, labels)


def message_end(tokenizer: Any) -> int | None:
    """The token that ends a chat message: the first special one behind the template's assistant text, else the end of text."""
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "zzz"}]
        behind = tokenizer.apply_chat_template(chat, tokenize=False).rpartition("zzz")[2]
        # Not all special tokens have a role and stand in `all_special_ids`.
        special = {
            *tokenizer.all_special_ids,
            *(token for token, added in tokenizer.added_tokens_decoder.items() if added.special),
        }
        ends = [
            int(token)
            for token in tokenizer(behind, add_special_tokens=False)["input_ids"]
            if token in special
        ]
        if ends:
            return ends[0]
    return None if tokenizer.eos_token_id is None else int(tokenizer.eos_token_id)


def encode_trajectory(tokenizer: Any, trajectory: Trajectory) -> Encoded:
    """A trajectory of the agent as training tokens, behind the prompt it was made with."""
    answer_form = str(trajectory.task.get("answer_form", "spans"))
    chat = messages(task_from_json(trajectory.task), method_prompt(trajectory.tools), answer_form)
    check_prompt(trajectory, chat)
    prompt = encode_prompt(tokenizer, chat)
    encoded = encode_turns(tokenizer, prompt, trajectory.turns, message_end(tokenizer))
    masks, answer = int(trajectory.task.get("masks", 0)), answer_length(tokenizer, trajectory.turns)
    return replace(encoded, task=str(trajectory.task["id"]), masks=masks, answer_tokens=answer)


def check_prompt(trajectory: Trajectory, chat: Sequence[Message]) -> None:
    """Raises TrainingError where the trajectory records another prompt than `chat`, behind which it would be trained.

    Trajectories of earlier versions record no prompt and pass.
    """
    if trajectory.prompt_hash in ("", messages_hash(chat)):
        return
    if trajectory.templates_hash == templates_hash():
        reason = "it was made with another method's prompt, or with other tools or another answer form"
    else:
        reason = (
            f"its prompt files had version {trajectory.templates_hash}, "
            f"those of this installation have version {templates_hash()}"
        )
    raise TrainingError(
        f"Trajectory '{trajectory.id}' did not start with the prompt that training would put before it: {reason}. "
        "Make the trajectories again with this version, or train with the version that made them."
    )


def answer_length(tokenizer: Any, turns: Sequence[Turn]) -> int:
    """Tokens of the text behind `<answer>` in the last turn, as near as a token that spans its border lets tell; 0 without an answer."""
    if not turns or turns[-1].role != "model":
        return 0
    _, tag, answer = turns[-1].text.rpartition("<answer>")
    return len(encode_plain(tokenizer, answer)) if tag else 0
