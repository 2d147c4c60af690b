"""The commands and their flags. The flags of a stage are made from its settings (flags.py)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from masksearch import __version__
from masksearch.cli.commands import (
    export_command,
    schema_command,
    search_command,
    serve_command,
    stats_command,
    verl_command,
)
from masksearch.cli.flags import DEST, Parser, add_flags
from masksearch.cli.recipes import recipes_command
from masksearch.cli.rewards import rewards_command
from masksearch.cli.stage_command import stage_command
from masksearch.cli.suites import suites_command
from masksearch.interop.export.settings import ExportSettings
from masksearch.recipe.load import load_recipe
from masksearch.recipe.run import run_recipe
from masksearch.recipe.stages import STAGES
from masksearch.scoring.settings import RewardAuditSettings
from masksearch.search.settings import AskSettings
from masksearch.serving.settings import ServeSettings
from masksearch.train.settings import RlSettings

POSITIONALS: dict[str, tuple[str, str, str]] = {
    "model": ("source", "SOURCE", "?"),
    "index": ("corpus", "CORPUS", "?"),
    "mask": ("corpus", "CORPUS", "?"),
    "synthesize": ("tasks", "TASKS", "?"),
    "eval": ("questions", "QUESTIONS", "?"),
    "compare": ("results", "RESULTS", "*"),
}
"""Stage -> its positional field, the field's name in the help, and the number of its values."""

INDEX_HELP = "an index folder, http://HOST:PORT, web:NAME or wikipedia:LANGUAGE"
HELP = {
    "model": "make a checkpoint folder of a model",
    "index": "build a search index of a corpus",
    "mask": "turn a corpus into RAMP tasks",
    "synthesize": "turn tasks or questions into trajectories",
    "evolve": "train a model on its own correct trajectories, round by round",
    "sft": "train a model on trajectories",
    "rl": "train a model by reinforcement learning (DAPO)",
    "eval": "measure a model on tasks or questions",
    "compare": "compare results in tables, with paired tests",
    "report": "write one HTML page of a run",
}

Add = Callable[..., argparse.ArgumentParser]
"""A function that adds a command: it takes the name, `help` and so on, and returns the command's parser."""


def build_parser() -> Parser:
    """Builds the parser of the whole command line."""
    common = Parser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    common.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        default=argparse.SUPPRESS,
        help="no progress, only results and errors",
    )
    parser = Parser("masksearch", description="Turns any text corpus into search skill.", parents=[common])
    parser.add_argument("--version", action="version", version=f"masksearch {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")

    def add(name: str, **options: Any) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], **options)

    _add_run(add)
    for kind in STAGES:
        _add_stage(add(kind, help=HELP[kind], description=STAGES[kind].settings.__doc__), kind)
    for add_command in (_add_search, _add_serve, _add_suites, _add_export, _add_rewards, _add_verl):
        add_command(add)
    _add_stats(add)
    _add_recipes(add)
    _add_schema(add)
    return parser


def run_command(arguments: argparse.Namespace) -> None:
    """Runs `masksearch run`."""
    recipe = load_recipe(arguments.recipe, arguments.set)
    run_recipe(recipe, arguments.out or Path("runs") / recipe.name)


def _add_run(add: Add) -> None:
    run = add("run", help="run a recipe: every stage, resumable")
    run.add_argument("recipe", metavar="RECIPE.toml")
    run.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="another value for a key of the recipe, such as stages.sft.epochs=2",
    )
    run.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME)")
    run.set_defaults(function=run_command)


def _add_stage(parser: argparse.ArgumentParser, kind: str) -> None:
    spec = STAGES[kind]
    positional = POSITIONALS.get(kind)
    if spec.takes_run:
        parser.add_argument("run_dir", metavar="RUN_DIR", help="folder that `masksearch run` wrote to")
    elif positional:
        field, name, count = positional
        default: Any = argparse.SUPPRESS if count == "?" else []
        parser.add_argument(DEST + field, metavar=name, nargs=count, default=default)
    where = f"file to write ({spec.product}), or - for standard output"
    if spec.marker:
        where = f"folder to write ({spec.product})"
    if spec.folder_marker:
        where += "; a name without a suffix is a folder of shards"
    parser.add_argument("-o", "--output", metavar="PATH", required=kind != "compare", help=where)
    parser.add_argument(
        "--recipe",
        metavar="RECIPE.toml",
        help="take the settings of a recipe's stage; flags override them",
    )
    parser.add_argument(
        "--stage", metavar="NAME", help="stage of the recipe to take, if the recipe has several of this kind"
    )
    group = parser.add_argument_group("settings")
    add_flags(group, spec.settings, skip=positional[:1] if positional else ())
    shown = positional[:2] if positional else None
    parser.set_defaults(function=stage_command, kind=kind, positional=shown)


def _add_search(add: Add) -> None:
    search = add("search", help="query an index, or a search over the network")
    search.add_argument("index", metavar="INDEX", help=INDEX_HELP)
    search.add_argument("query", metavar="QUERY")
    search.add_argument("-k", type=int, default=5, help="number of results (default: 5)")
    search.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object, with everything that the ranking depends on",
    )
    add_flags(search.add_argument_group("settings"), AskSettings)
    search.set_defaults(function=search_command)


def _add_serve(add: Add) -> None:
    serve = add("serve", help="answer searches over HTTP as Search-R1's server does, or as an MCP server")
    serve.add_argument("index", metavar="INDEX", help=INDEX_HELP)
    serve.add_argument(
        "--mcp",
        action="store_true",
        help="speak the Model Context Protocol on standard input and output instead of HTTP",
    )
    add_flags(serve.add_argument_group("settings"), ServeSettings)
    serve.set_defaults(function=serve_command)


def _add_suites(add: Add) -> None:
    suites = add("suites", help="list the question suites, or write one as files to evaluate on")
    suites.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="a suite such as hotpotqa, or hotpotqa@train for another split",
    )
    suites.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="the published file, or hf:OWNER/NAME (default: read the suite from the hub)",
    )
    suites.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="folder to write: questions.jsonl, and corpus.jsonl if the release has a corpus",
    )
    suites.add_argument("--json", action="store_true", help="print JSON")
    suites.set_defaults(function=suites_command)


def _add_export(add: Add) -> None:
    export = add(
        "export",
        help="write trajectories as training data for TRL, LLaMA-Factory or verl",
        description=ExportSettings.__doc__,
    )
    export.add_argument(DEST + "trajectories", metavar="TRAJECTORIES", nargs="+", default=[])
    export.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        required=True,
        help="file to write (.jsonl, packed or not, or .parquet), or - for standard output",
    )
    add_flags(export.add_argument_group("settings"), ExportSettings, skip=("trajectories",))
    export.set_defaults(function=export_command)


def _add_rewards(add: Add) -> None:
    rewards = add(
        "rewards",
        help="measure the rewards that attacks earn",
        description=RewardAuditSettings.__doc__,
    )
    rewards.add_argument(
        "action",
        metavar="audit",
        choices=["audit"],
        help="roll out the attacks, and print their rewards",
    )
    rewards.add_argument("--json", action="store_true", help="print one JSON object")
    add_flags(rewards.add_argument_group("settings"), RewardAuditSettings)
    rewards.set_defaults(function=rewards_command)


def _add_verl(add: Add) -> None:
    verl = add("verl", help="write a configuration of verl that trains with this agent loop")
    verl.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="folder to write masksearch.yaml and agent_loop.yaml to",
    )
    verl.add_argument(
        "--train",
        required=True,
        metavar="PARQUET",
        help="written by: masksearch export TASKS --to verl -o PARQUET",
    )
    verl.add_argument("--val", required=True, metavar="PARQUET", help="validation tasks in the same form")
    verl.add_argument("--gpus", type=int, default=8, help="GPUs of a machine (default: 8)")
    verl.add_argument("--nodes", type=int, default=1, help="machines (default: 1)")
    verl.add_argument("--prompt-length", type=int, default=512, help="most tokens of a prompt (default: 512)")
    add_flags(verl.add_argument_group("settings of masksearch rl"), RlSettings)
    verl.set_defaults(function=verl_command)


def _add_stats(add: Add) -> None:
    stats = add("stats", help="count and show the tasks of a file or folder")
    stats.add_argument("tasks", metavar="TASKS")
    stats.add_argument("--examples", type=int, default=3, help="number of tasks to show (default: 3)")
    stats.add_argument("--json", action="store_true", help="print one JSON object")
    stats.set_defaults(function=stats_command)


def _add_recipes(add: Add) -> None:
    recipes = add("recipes", help="list the recipes that come with MaskSearch, or copy one for editing")
    recipes.add_argument(
        "name", metavar="NAME", nargs="?", help="a recipe such as demo; without -o it is printed"
    )
    recipes.add_argument("-o", "--output", metavar="FILE", help="file to write the copy to")
    recipes.add_argument("--path", action="store_true", help="print the path of NAME instead of its text")
    recipes.add_argument("--json", action="store_true", help="print the list as JSON")
    recipes.set_defaults(function=recipes_command)


def _add_schema(add: Add) -> None:
    schema = add("schema", help="print the JSON schema of recipes, or a page of all settings")
    schema.add_argument(
        "--markdown",
        action="store_true",
        help="print a Markdown page with every setting, its default and its text",
    )
    schema.set_defaults(function=schema_command)
