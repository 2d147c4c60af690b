"""The settings of `masksearch export`, and the checks of their combinations."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from masksearch.errors import UsageError
from masksearch.runtime.files import inner_name
from masksearch.runtime.settings import Ref, Refs, Settings

Target = Literal["trl", "llamafactory", "verl", "inspect"]
Shape = Literal["tokens", "messages", "completions", "tags", "calls"]

SHAPES: dict[Target, tuple[Shape, ...]] = {
    "trl": ("tokens", "messages", "completions"),
    "llamafactory": ("tags", "calls"),
    "verl": ("messages",),
    "inspect": ("messages",),
}
"""Target -> its shapes; the first is the default."""
ENDINGS: dict[Target, tuple[str, ...]] = {
    "trl": (".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".parquet"),
    "llamafactory": (".jsonl", ".parquet"),
    "verl": (".parquet",),
    "inspect": (".eval", ".json"),
}
"""Target -> endings of the files that its loader reads."""


class ExportSettings(Settings):
    """Writes trajectories as training data for TRL, LLaMA-Factory or verl, for verl also tasks for RL; or as
    a log that Inspect's viewer opens."""

    basic = ("to", "shape", "model", "max_length", "all")

    trajectories: Refs = Field(min_length=1)
    """Files or folders of trajectories; with `to` = verl, tasks or questions are possible too."""
    to: Target
    """Trainer for which the data is written. inspect: a log for Inspect's viewer, with all trajectories."""
    shape: Shape | None = None
    """Shape of a row. trl: tokens (the rows that `sft` trains on), messages, or completions (one row per
    model turn). llamafactory: tags, or calls (for a model that calls tools natively). verl: messages. Unset,
    the first shape of the target."""
    model: Ref = ""
    """Checkpoint folder or hub name whose tokenizer encodes token rows; required for the shape tokens."""
    max_length: int | None = Field(None, ge=16)
    """Maximum length of a token row, in tokens. Longer rows are left out and counted, never cut. (TRL cuts
    rows at its own max_length.) Unset, rows of any length are written."""
    tool_role: Literal["user", "tool"] | None = None
    """Role of the tool's text in the shapes messages and completions. user: the role that the agent loop uses
    for a model behind an endpoint; every chat template accepts it. tool: for templates that drop thoughts
    before a user message. Unset, user."""
    answer_form: Literal["spans", "paragraph"] | None = None
    """Answer form in the prompts of exported RAMP tasks; trajectories record their own. Unset, spans."""
    name: str = ""
    """Name of the data. inspect: the task's name in the log; llamafactory: its name in dataset_info.json;
    empty, the name of the file. verl, for tasks: the value of `data_source`; empty, masksearch/ramp or
    masksearch/question."""
    all: bool = False
    """Whether to export trajectories without an answer or in invalid form as well."""


def shape_of(settings: ExportSettings) -> Shape:
    """Returns the requested shape, or the target's default. Raises UsageError for another target's shape."""
    shapes = SHAPES[settings.to]
    if settings.shape is not None and settings.shape not in shapes:
        raise UsageError(
            f"--shape {settings.shape} does not fit --to {settings.to}; its shapes are: {', '.join(shapes)}."
        )
    return settings.shape or shapes[0]


def check(settings: ExportSettings, output: str) -> None:
    """Raises UsageError for settings that are inconsistent or would be ignored."""
    shape = shape_of(settings)
    if shape == "tokens" and not settings.model:
        raise UsageError(
            "The shape tokens needs a tokenizer: name a checkpoint with --model, or write text with --shape "
            "messages."
        )
    roles = shape in ("messages", "completions") and settings.to != "inspect"
    effects: tuple[tuple[str, Any, bool], ...] = (
        ("--model", settings.model, shape == "tokens"),
        ("--max-length", settings.max_length, shape == "tokens"),
        ("--tool-role", settings.tool_role, roles),
        ("--answer-form", settings.answer_form, settings.to == "verl"),
        ("--name", settings.name, settings.to != "trl"),
        ("--all", settings.all, settings.to != "inspect"),
    )
    for flag, value, has_effect in effects:
        if value and not has_effect:
            raise UsageError(f"{flag} has no effect with --to {settings.to} --shape {shape}; leave it out.")
    if settings.to == "llamafactory" and "," in (settings.name or stem(output)):
        raise UsageError(
            "The name of a data set must have no comma, because LLaMA-Factory separates names by commas; "
            "choose another --name."
        )
    _check_output(settings.to, output)


def _check_output(target: Target, output: str) -> None:
    """Raises UsageError for an output that the target's loader could not read."""
    endings = ENDINGS[target]
    if output == "-":
        if ".jsonl" not in endings:
            form = "a log" if target == "inspect" else "Parquet"
            raise UsageError(
                f"--to {target} writes {form}, which does not go to standard output; name a file with -o, "
                f"such as train{endings[0]}."
            )
        return
    path = Path(output)
    if path.is_dir():
        example = path / f"train{endings[0]}"
        raise UsageError(
            f"-o {output} is a folder, but this command writes a file; name a file in it, such as {example}."
        )
    if path.exists() and not path.is_file():
        raise UsageError(f"-o {output} is not a file; choose another name, or - for standard output.")
    if not path.name.endswith(endings) or path.name.startswith("."):
        raise UsageError(
            f"-o {output}: for {target} the name must end in {' or '.join(endings)}, which its loader reads."
        )


def stem(output: str) -> str:
    """Returns a file's name without its endings."""
    return Path(inner_name(output)).stem
