"""Encodes trajectories as tokens with loss on model tokens only.

In the paper's notation, the loss indicator I(y_t) is 0 for the prompt and for retrieved text. Each turn is
tokenised separately, because a rollout does so too: it appends the tokens of the tool's text to the tokens
that the model wrote. So training sees the same tokens as decoding.
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
"""Label of a token without loss, as torch's cross entropy defines it."""


@dataclass(frozen=True)
class Encoded:
    """Token ids and labels of a whole trajectory, both of shape (length,). A token with loss has its id as
    label, a token without loss has -100."""

    input_ids: list[int]
    labels: list[int]
    task: str = ""
    """The task's id."""
    masks: int = 0
    """The task's number of masks; 0 for a question."""
    answer_tokens: int = 0
    """Number of tokens of the answer; 0 without an answer. The last of them is just before the
    end-of-message token."""
    source: str = ""
    """Name of the file that the trajectory comes from, or of the stage that wrote it."""


def encode_turns(
    tokenizer: Any, prompt_ids: Sequence[int], turns: Sequence[Turn], end_id: int | None
) -> Encoded:
    """Returns the token ids and labels of a prompt and its turns.

    If the model wrote the last turn, `end_id` (the end-of-message token) is appended and carries loss.
    """
    ids, labels = list(prompt_ids), [IGNORED] * len(prompt_ids)
    for turn in turns:
        turn_ids = encode_plain(tokenizer, turn.text)
        ids += turn_ids
        labels += turn_ids if turn.role == "model" else [IGNORED] * len(turn_ids)
    if end_id is not None and turns and turns[-1].role == "model":
        ids.append(end_id)
        labels.append(end_id)
    return Encoded(ids, labels)


def message_end(tokenizer: Any) -> int | None:
    """Returns the token that ends a chat message, or None if the tokenizer has no such token.

    This is the first special token that the chat template puts after the assistant's text. If there is
    none, it is the tokenizer's eos token.
    """
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "zzz"}]
        suffix = tokenizer.apply_chat_template(chat, tokenize=False).rpartition("zzz")[2]
        # `all_special_ids` lacks special tokens without a named role (such as eos), so these are added.
        special = {
            *tokenizer.all_special_ids,
            *(token for token, added in tokenizer.added_tokens_decoder.items() if added.special),
        }
        ends = [
            int(token)
            for token in tokenizer(suffix, add_special_tokens=False)["input_ids"]
            if token in special
        ]
        if ends:
            return ends[0]
    return None if tokenizer.eos_token_id is None else int(tokenizer.eos_token_id)


def encode_trajectory(tokenizer: Any, trajectory: Trajectory) -> Encoded:
    """Returns the training tokens of a trajectory, with the prompt that it started with at the front.

    The prompt is built again from the task. Raises TrainingError if the trajectory records another prompt.
    """
    answer_form = str(trajectory.task.get("answer_form", "spans"))
    chat = messages(task_from_json(trajectory.task), method_prompt(trajectory.tools), answer_form)
    check_prompt(trajectory, chat)
    prompt = encode_prompt(tokenizer, chat)
    encoded = encode_turns(tokenizer, prompt, trajectory.turns, message_end(tokenizer))
    masks, answer = int(trajectory.task.get("masks", 0)), answer_length(tokenizer, trajectory.turns)
    return replace(encoded, task=str(trajectory.task["id"]), masks=masks, answer_tokens=answer)


def check_prompt(trajectory: Trajectory, chat: Sequence[Message]) -> None:
    """Raises TrainingError if a trajectory started with another prompt than `chat`.

    The trajectory records its prompt as a hash. Trajectories of versions that recorded no hash are accepted.
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
        f"Trajectory '{trajectory.id}' did not start with the prompt that training would put before it: "
        f"{reason}. "
        "Make the trajectories again with this version, or train with the version that made them."
    )


def answer_length(tokenizer: Any, turns: Sequence[Turn]) -> int:
    """Returns the number of tokens after `<answer>` in the last turn; 0 without an answer.

    The text after the tag is tokenised separately here. The number may therefore be off by one if a token
    of the turn spans the end of the tag.
    """
    if not turns or turns[-1].role != "model":
        return 0
    _, tag, answer = turns[-1].text.rpartition("<answer>")
    return len(encode_plain(tokenizer, answer)) if tag else 0
