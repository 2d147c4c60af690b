"""The settings of `masksearch export`, and which of them go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from masksearch.errors import UsageError
from masksearch.runtime.files import inner_name
from masksearch.runtime.settings import Ref, Refs, Settings

Target = Literal["trl", "llamafactory", "verl"]
Shape = Literal["tokens", "messages", "completions", "tags", "calls"]

SHAPES: dict[Target, tuple[Shape, ...]] = {
    "trl": ("tokens", "messages", "completions"),
    "llamafactory": ("tags", "calls"),
    "verl": ("messages",),
}
"""Target -> its shapes, the default first."""
ENDINGS: dict[Target, tuple[str, ...]] = {
    "trl": (".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".parquet"),
    "llamafactory": (".jsonl", ".parquet"),
    "verl": (".parquet",),
}
"""Target -> endings of the files that its loader reads."""


class ExportSettings(Settings):
    """Writes trajectories as training data for TRL, LLaMA-Factory or verl; for verl also tasks or questions, as data for reinforcement learning."""

    trajectories: Refs = Field(min_length=1)
    """Files or folders of trajectories; for verl also of tasks or questions."""
    to: Target
    """Whose data is written."""
    shape: Shape | None = None
    """trl: tokens (the rows that `sft` trains on), messages, or completions (one row a model turn). llamafactory: tags, or calls (the model is to call tools
    natively). verl: messages. Without it the first of these."""
    model: Ref = ""
    """Checkpoint folder or hub's name whose tokenizer makes the rows of tokens."""
    max_length: int | None = Field(None, ge=16)
    """Longer rows of tokens are left out (and counted), never cut; TRL cuts at its own max_length."""
    tool_role: Literal["user", "tool"] | None = None
    """Role of the tool's text in messages. user: as the agent loop shows it to a model behind an endpoint, and as any chat template takes it. tool: for
    templates that drop the thoughts before a user's message."""
    answer_form: Literal["spans", "paragraph"] | None = None
    """What prompts made of RAMP tasks ask for; trajectories say so themselves. Without it: spans."""
    name: str = ""
    """llamafactory: name in dataset_info.json (default: that of the file). verl, of tasks: `data_source` (default: masksearch/ramp or masksearch/question)."""
    all: bool = False
    """Also trajectories that did not end with an answer, or are not in valid form."""


def shape_of(settings: ExportSettings) -> Shape:
    """The shape asked for, or the target's default. Raises UsageError where the target has no such shape."""
    shapes = SHAPES[settings.to]
    if settings.shape is not None and settings.shape not in shapes:
        raise UsageError(
            f"--shape {settings.shape} does not go with --to {settings.to}, whose shapes are: {', '.join(shapes)}."
        )
    return settings.shape or shapes[0]


def check(settings: ExportSettings, output: str) -> None:
    """Raises UsageError for settings that do not go together, or that would have no effect."""
    shape = shape_of(settings)
    if shape == "tokens" and not settings.model:
        raise UsageError(
            "Rows of tokens are made by a tokenizer: name a checkpoint with --model, or write text with --shape messages."
        )
    roles = shape in ("messages", "completions")
    effects: tuple[tuple[str, Any, bool], ...] = (
        ("--model", settings.model, shape == "tokens"),
        ("--max-length", settings.max_length, shape == "tokens"),
        ("--tool-role", settings.tool_role, roles),
        ("--answer-form", settings.answer_form, settings.to == "verl"),
        ("--name", settings.name, settings.to in ("llamafactory", "verl")),
    )
    for flag, value, has_effect in effects:
        if value and not has_effect:
            raise UsageError(f"{flag} has no effect with --to {settings.to} --shape {shape}; leave it out.")
    if settings.to == "llamafactory" and "," in (settings.name or stem(output)):
        raise UsageError(
            "The name of a data set must have no comma in it, since LLaMA-Factory separates names by commas; choose another --name."
        )
    _check_output(settings.to, output)


def _check_output(target: Target, output: str) -> None:
    endings = ENDINGS[target]
    if output == "-":
        if ".jsonl" not in endings:
            raise UsageError(
                f"--to {target} writes Parquet, which does not go to standard output; name a file with -o, such as train.parquet."
            )
        return
    path = Path(output)
    if path.is_dir():
        raise UsageError(
            f"-o {output} is a folder, but this command writes a file; name a file in it, such as {path / ('train' + endings[0])}."
        )
    if path.exists() and not path.is_file():
        raise UsageError(f"-o {output} is no file; choose another name, or - for standard output.")
    if not path.name.endswith(endings) or path.name.startswith("."):
        raise UsageError(
            f"-o {output}: for {target} the name must end in {' or '.join(endings)}, which is what its loader reads."
        )


def stem(output: str) -> str:
    """A file's name without its endings."""
    return Path(inner_name(output)).stem
