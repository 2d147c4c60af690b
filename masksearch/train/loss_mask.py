"""Trajectories as tokens, with loss on model tokens only (paper: I(y_t) = 0 for prompt and retrieved text).

Each turn is tokenised separately, as in a rollout, where the tool's text is appended to the tokens that the
model wrote. So training sees the same tokens as decoding.
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
    """Token ids of a whole trajectory and its labels, both (length,); a label is the token's id or -100."""

    input_ids: list[int]
    labels: list[int]
    task: str = ""
    """The task's id."""
    masks: int = 0
    """The task's number of masks; 0 for a question."""
    answer_tokens: int = 0
    """Number of the answer's labels, which come just before the end-of-message token; 0 without an answer."""


def encode_turns(
    tokenizer: Any, prompt_ids: Sequence[int], turns: Sequence[Turn], end_id: int | None
) -> Encoded:
    """Returns prompt and turns as tokens.

    A last turn by the model is followed by `end_id` (the end-of-message token), which carries loss.
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

    This is the first special token after the assistant's text in the chat template, else the end-of-text
    token.
    """
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "zzz"}]
        suffix = tokenizer.apply_chat_template(chat, tokenize=False).rpartition("zzz")[2]
        # `all_special_ids` has only the special tokens with a role, such as eos.
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
    """Returns a trajectory of the agent as training tokens, after the prompt that it was made with.

    Raises TrainingError if the trajectory records another prompt.
    """
    answer_form = str(trajectory.task.get("answer_form", "spans"))
    chat = messages(task_from_json(trajectory.task), method_prompt(trajectory.tools), answer_form)
    check_prompt(trajectory, chat)
    prompt = encode_prompt(tokenizer, chat)
    encoded = encode_turns(tokenizer, prompt, trajectory.turns, message_end(tokenizer))
    masks, answer = int(trajectory.task.get("masks", 0)), answer_length(tokenizer, trajectory.turns)
    return replace(encoded, task=str(trajectory.task["id"]), masks=masks, answer_tokens=answer)


def check_prompt(trajectory: Trajectory, chat: Sequence[Message]) -> None:
    """Raises TrainingError if the trajectory records another prompt than the training's prompt `chat`.

    Trajectories of versions that recorded no prompt are accepted.
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

    The number may be off by one if a token spans the end of the tag, because the text after the tag is
    tokenised separately.
    """
    if not turns or turns[-1].role != "model":
        return 0
    _, tag, answer = turns[-1].text.rpartition("<answer>")
    return len(encode_plain(tokenizer, answer)) if tag else 0
