"""Writes a checkpoint as a folder that works with transformers alone.

model*.safetensors, config.json, tokenizer*    the weights are copied, not computed again
chat_template.jinja                            see chat.py
generation_config.json                         greedy; ends at the token that training put after a turn
system_prompt.txt, protocol.json, agent.py     the agent's prompt, its rules, and a loop that follows them
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch.agent.prompts import method_prompt, render, task_prompt
from masksearch.agent.protocol import stops
from masksearch.agent.settings import AgentSettings
from masksearch.errors import ModelError
from masksearch.interop.publish.chat import ChatForm, find_form, jinja_template, same_prompts
from masksearch.llm.checkpoint import (
    MARK,
    checkpoint_name,
    checkpoint_retrievers,
    load_checkpoint,
    make_mark,
    quiet,
)
from masksearch.runtime.files import write_json, write_text
from masksearch.train.loss_mask import message_end
from masksearch.types import Question

FILES = Path(__file__).parent / "files"
SYSTEM_PROMPT, PROTOCOL, AGENT = "system_prompt.txt", "protocol.json", "agent.py"
PROTOCOL_FORMAT = "masksearch-agent/1"
SAMPLES = (
    "Who wrote it?",
    "Fill in each [mask].\n\nIt lies in [mask].",
    "a <b> 1815 \u00e9\u00e8 \u4e2d\u6587 {{ x }}",
)
"""Texts with which the new chat template is compared to the old one."""


@dataclass(frozen=True)
class Published:
    """What was written, for the card and for the GGUF file."""

    name: str
    agent: AgentSettings
    system: str
    form: ChatForm | None
    """The chat template's literal texts; None if the base model's template was kept."""
    ends: tuple[str, ...]
    """Tokens that end generation; the first one is the token that training put after a turn."""
    parameters: int
    """Number of weights; 0 if unknown."""
    longest: int
    """The model's own limit on tokens; 0 if its configuration names none."""


def check_checkpoint(source: Path) -> None:
    """Raises ModelError if a folder is not a checkpoint."""
    if source.is_file():
        raise ModelError(f"{source} is a file, but a checkpoint is a folder with config.json and weights.")
    for name in ("config.json", "tokenizer_config.json"):
        if not (source / name).is_file():
            raise ModelError(
                f"{source} is not a checkpoint: the folder has no {name}. Name the folder that 'masksearch "
                "model', 'sft' or 'rl' wrote, a stage, or a run."
            )
    if not any(source.glob("*.safetensors")) and not any(source.glob("*.bin")):
        raise ModelError(f"{source} is not a checkpoint: the folder has no weights (*.safetensors).")


def write_checkpoint(source: Path, folder: Path, name: str, agent: AgentSettings) -> Published:
    """Writes the files of a published checkpoint into `folder`. Raises ModelError if it cannot be loaded."""
    tokenizer, config = _tokenizer(source), _read(source / "config.json")
    system = render(method_prompt(agent.tools))
    generation = _read(source / "generation_config.json")
    ends = end_ids(tokenizer, config, generation)
    _write_weights(source, folder)
    form = _write_tokenizer(tokenizer, source, folder, ends[0] if ends else None, system)
    _write_configurations(folder, tokenizer, config, ends, agent)
    write_text(folder / SYSTEM_PROMPT, system + "\n")
    write_json(folder / PROTOCOL, protocol(agent, system))
    write_json(folder / MARK, make_mark(name, retrievers=checkpoint_retrievers(source)))
    shutil.copyfile(FILES / "agent.py.txt", folder / AGENT)
    return Published(
        name,
        agent,
        system,
        form,
        tuple(str(tokenizer.convert_ids_to_tokens(token)) for token in ends),
        _parameters(folder),
        int(config.get("max_position_embeddings") or 0),
    )


def _tokenizer(source: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(str(source))
    except Exception as error:  # damaged files raise errors of many types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(f"The tokenizer of {source} cannot be loaded: {reason}.") from error


def _read(path: Path) -> dict[str, Any]:
    """Returns the JSON object of a file; empty without the file. Raises ModelError for a damaged one."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({error}).") from error
    return value if isinstance(value, dict) else {}


def end_ids(tokenizer: Any, config: Mapping[str, Any], generation: Mapping[str, Any]) -> tuple[int, ...]:
    """Returns the tokens that end generation: first the one that training put after a turn, then those at
    which our decoder ended a turn too (see `llm.token_session.end_tokens`)."""
    found = [message_end(tokenizer), tokenizer.eos_token_id]
    for value in (config.get("eos_token_id"), generation.get("eos_token_id")):
        found += value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(int(token) for token in found if token is not None))


def _write_weights(source: Path, folder: Path) -> None:
    """Copies the safetensors files; other weights are loaded and saved as safetensors."""
    files = [*source.glob("*.safetensors"), *source.glob("*.safetensors.index.json")]
    folder.mkdir(parents=True, exist_ok=True)
    if not files:
        import torch

        with quiet():
            load_checkpoint(source, torch.float32)[0].to("cpu").save_pretrained(folder)
    for file in files:
        shutil.copyfile(file, folder / file.name)  # the copy gets ordinary permissions


def _parameters(folder: Path) -> int:
    """Returns the number of weights in the safetensors files, from their headers alone."""
    total = 0
    for file in folder.glob("*.safetensors"):
        with open(file, "rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size))
        for name, tensor in header.items():
            count = 1
            for length in tensor.get("shape", ()):
                count *= length
            total += count if name != "__metadata__" else 0
    return total


def _write_tokenizer(
    tokenizer: Any, source: Path, folder: Path, end: int | None, system: str
) -> ChatForm | None:
    """Saves the tokenizer with its new chat template, and with the learnt end token as its eos token."""
    token = str(tokenizer.convert_ids_to_tokens(end)) if end is not None else ""
    before = _tokenizer(source)
    form = find_form(tokenizer, token)
    if form is not None:
        tokenizer.chat_template = jinja_template(form, system)
        chats = [
            [{"role": "system", "content": head}, {"role": "user", "content": text}]
            for head in (system, "Be brief.")
            for text in SAMPLES
        ]
        if not same_prompts(before, tokenizer, chats):
            tokenizer.chat_template, form = before.chat_template, None
    if token:
        tokenizer.eos_token = token
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    with quiet():
        tokenizer.save_pretrained(folder)
    return form


def _write_configurations(
    folder: Path, tokenizer: Any, config: Mapping[str, Any], ends: tuple[int, ...], agent: AgentSettings
) -> None:
    first = ends[0] if ends else None
    # Training turns the cache of keys and values off; generation needs it.
    cleaned = {key: value for key, value in config.items() if key != "_name_or_path"}
    write_json(folder / "config.json", {**cleaned, "eos_token_id": first, "use_cache": True})
    generation = {
        "bos_token_id": config.get("bos_token_id"),
        "do_sample": False,
        "eos_token_id": list(ends),
        "max_new_tokens": agent.turn_tokens,
        "pad_token_id": tokenizer.pad_token_id,
        "use_cache": True,
    }
    known = {key: value for key, value in generation.items() if value not in (None, [])}
    write_json(folder / "generation_config.json", known)


def protocol(agent: AgentSettings, system: str) -> dict[str, Any]:
    """Returns the rules of the agent loop, for programs that run the model without this package."""
    question = task_prompt(Question(id="q", question="QUESTION", answers=()), agent.answer_form)
    return {
        "format": PROTOCOL_FORMAT,
        "system": system,
        "question": question.removesuffix("QUESTION"),
        "stop": list(stops(agent.tools)),
        "tools": list(agent.tools),
        "information": "\n<information>\n{results}\n</information>\n",
        "result": "[{number}] {title}: {text}",
        "nothing": render("nothing"),
        "no_page": render("no-page"),
        "top_k": agent.top_k,
        "passage_words": agent.passage_words,
        "max_searches": agent.max_searches,
        "turn_tokens": agent.turn_tokens,
        "max_tokens": agent.max_tokens,
        "max_length": agent.max_length,
    }


def recorded_name(source: Path, given: str, output: Path) -> str:
    """Returns the name for the card: the given one, the one that the checkpoint records, or the folder's."""
    return given or (checkpoint_name(source) if (source / MARK).is_file() else output.name)
