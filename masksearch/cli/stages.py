"""The arguments of the commands that run one stage; the flags come from the stage's settings."""

from __future__ import annotations

import argparse
from typing import Any

from masksearch.cli.flags import DEST, add_settings, required
from masksearch.cli.parsing import Parser
from masksearch.recipe.stages import STAGES

POSITIONALS: dict[str, tuple[str, str, str]] = {
    "model": ("source", "SOURCE", "?"),
    "index": ("corpus", "CORPUS", "?"),
    "mask": ("corpus", "CORPUS", "?"),
    "synthesize": ("tasks", "TASKS", "?"),
    "eval": ("questions", "QUESTIONS", "?"),
    "compare": ("results", "RESULTS", "*"),
}
"""Stage -> its positional field, the field's name in the help, and the number of its values."""
EXAMPLES: dict[str, tuple[str, ...]] = {
    "model": ("masksearch model -o base",),
    "index": ("masksearch index docs.jsonl -o index", "masksearch index wiki-summaries:en -o index"),
    "mask": ("masksearch mask docs.jsonl --index index --limit 200 -o tasks.jsonl",),
    "synthesize": ("masksearch synthesize tasks.jsonl --index index -o trajectories.jsonl",),
    "evolve": ("masksearch evolve --recipe evolve --out runs/evolve",),
    "sft": (
        "masksearch sft --model base --trajectories trajectories.jsonl -o sft",
        "masksearch sft --recipe demo --out runs/demo --set stages.sft.epochs=2",
    ),
    "rl": (
        "masksearch rl --model sft --tasks tasks.jsonl --index index -o rl",
        "masksearch rl --recipe masks --out runs/masks",
    ),
    "eval": (
        "masksearch eval tasks.jsonl --model sft --index index -o results.json",
        "masksearch eval --recipe demo --stage sft-heldout --out runs/demo",
    ),
    "compare": ("masksearch compare before.json after.json", "masksearch compare runs/demo"),
    "report": ("masksearch report runs/demo -o report.html",),
}


def add_stage(parser: Parser, kind: str) -> None:
    """Adds the arguments of one stage's command."""
    spec = STAGES[kind]
    positional = POSITIONALS.get(kind)
    parser.description = " ".join((spec.settings.__doc__ or "").split())
    parser.examples = EXAMPLES.get(kind, ())
    if spec.takes_run:
        parser.add_argument(
            "run_dir", metavar="RUN_DIR", nargs="?", help="folder that `masksearch run` wrote to"
        )
    elif positional:
        _add_positional(parser, kind, *positional)
    where = f"file to write ({spec.product}), or - for standard output"
    if spec.marker:
        where = f"folder to write ({spec.product})"
    if spec.folder_marker:
        where += "; a name without a suffix is a folder of shards"
    parser.add_argument("-o", "--output", metavar="PATH", help=where)
    recipe = parser.add_argument_group("a stage of a recipe")
    recipe.add_argument(
        "--recipe",
        metavar="RECIPE",
        help="take the settings of a recipe's stage: a file, or a shipped recipe such as demo. Flags "
        "override them, and --set takes keys of the recipe.",
    )
    recipe.add_argument("--stage", metavar="NAME", help="the stage, if the recipe has several of this kind")
    recipe.add_argument(
        "--out",
        metavar="DIR",
        help="the run's folder: the product goes to its place there, earlier stages are taken from there",
    )
    add_settings(parser, spec.settings, skip=positional[:1] if positional else ())
    words = [
        flag for name, flag in required(spec.settings).items() if not positional or name != positional[0]
    ]
    parser.usual = ["RUN_DIR"] if spec.takes_run else []
    if positional and spec.settings.model_fields[positional[0]].is_required():
        parser.usual.append(positional[1])
    parser.usual += [*words, *(["-o PATH"] if kind != "compare" else [])]
    parser.needs = _needs(kind)
    if kind != "compare":
        parser.alternative = ", or name a recipe's stage: --recipe RECIPE --stage NAME --out DIR"
    shown = positional[:2] if positional else None
    parser.set_defaults(function=_run, kind=kind, positional=shown)


def _run(arguments: argparse.Namespace) -> None:
    """Runs the command. Its module imports much that the flags and the help do not need."""
    from masksearch.cli.stage_command import stage_command

    stage_command(arguments)


def _add_positional(parser: Parser, kind: str, field: str, name: str, count: str) -> None:
    from masksearch.runtime.settings import field_text

    default: Any = argparse.SUPPRESS if count == "?" else []
    text = field_text(STAGES[kind].settings, field).replace("%", "%%")
    action = parser.add_argument(DEST + field, metavar=name, nargs=count, default=default, help=text)
    action.values = []  # type: ignore[attr-defined]


def _needs(kind: str) -> Any:
    """Returns the function that finds what a stage's command still needs (`Parser.needs`)."""
    spec = STAGES[kind]
    field, name, _ = POSITIONALS.get(kind, ("", "", ""))

    def needs(arguments: argparse.Namespace) -> list[str]:
        given = {dest.removeprefix(DEST) for dest in vars(arguments)}
        given |= {override.partition("=")[0].split(".")[0].strip() for override in arguments.set}
        absent: list[str] = []
        if not arguments.recipe:
            flags = {**required(spec.settings)}
            if field in flags:
                flags[field] = name
            absent = [flag for setting, flag in flags.items() if setting not in given]
        if spec.takes_run and not arguments.run_dir and not arguments.out:
            absent.append("RUN_DIR")
        if not arguments.output and not arguments.out and kind != "compare":
            absent.append("-o PATH" if not arguments.recipe else "-o PATH or --out DIR")
        return absent

    return needs
