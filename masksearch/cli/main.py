"""The command line: `masksearch COMMAND ...`; every stage by itself, and whole recipes with `run`.

Exit status: 0 done, 1 the work failed, 2 wrong use, 130 interrupted. Errors are one sentence on standard error, with a
traceback only under --debug. The flags of a stage are made from its settings (flags.py).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from masksearch import __version__
from masksearch.cli.commands import (
    export_command,
    search_command,
    serve_command,
    stage_command,
    stats_command,
    verl_command,
)
from masksearch.cli.flags import DEST, Parser, add_flags
from masksearch.cli.rewards import rewards_command
from masksearch.cli.suites import suites_command
from masksearch.errors import MaskSearchError
from masksearch.interop.export.settings import ExportSettings
from masksearch.recipe.load import load_recipe
from masksearch.recipe.run import disk_is_full, run_recipe
from masksearch.recipe.stages import STAGES
from masksearch.runtime import process
from masksearch.scoring.settings import RewardAuditSettings
from masksearch.search.settings import AskSettings
from masksearch.serving.settings import ServeSettings
from masksearch.train.settings import RlSettings

Command = Callable[[argparse.Namespace], None]

POSITIONALS: dict[str, tuple[str, str, str]] = {
    "model": ("source", "SOURCE", "?"),
    "index": ("corpus", "CORPUS", "?"),
    "mask": ("corpus", "CORPUS", "?"),
    "synthesize": ("tasks", "TASKS", "?"),
    "eval": ("questions", "QUESTIONS", "?"),
    "compare": ("results", "RESULTS", "*"),
}
"""Stage -> the field that stands without a flag, its name in the help, how many."""

INDEX_HELP = "an index folder, http://HOST:PORT, web:NAME or wikipedia:LANGUAGE"
HELP = {
    "model": "make a checkpoint folder of a model",
    "index": "build a search index of a corpus",
    "mask": "turn a corpus into RAMP tasks",
    "synthesize": "turn tasks or questions into trajectories",
    "evolve": "let a model learn from what it gets right, round by round",
    "sft": "train a model on trajectories",
    "rl": "train a model by reinforcement learning (DAPO)",
    "eval": "measure a model on tasks or questions",
    "compare": "set results side by side",
    "report": "write one HTML page of a run",
}


def run_command(arguments: argparse.Namespace) -> None:
    """`masksearch run`."""
    recipe = load_recipe(arguments.recipe, arguments.set)
    run_recipe(recipe, arguments.out or Path("runs") / recipe.name)


def build_parser() -> Parser:
    """The whole command line."""
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
    run = commands.add_parser("run", help="run a recipe: every stage, resumable", parents=[common])
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
    for kind in STAGES:
        _add_stage(
            commands.add_parser(
                kind, help=HELP[kind], description=STAGES[kind].settings.__doc__, parents=[common]
            ),
            kind,
        )
    search = commands.add_parser(
        "search", help="ask an index, or a search over the network", parents=[common]
    )
    search.add_argument("index", metavar="INDEX", help=INDEX_HELP)
    search.add_argument("query", metavar="QUERY")
    search.add_argument("-k", type=int, default=5, help="how many results (default: 5)")
    search.add_argument(
        "--json", action="store_true", help="print one JSON object, with all that the ranking depends on"
    )
    add_flags(search.add_argument_group("settings"), AskSettings)
    search.set_defaults(function=search_command)
    serve = commands.add_parser(
        "serve",
        help="answer searches over HTTP as Search-R1's server does, or as an MCP server",
        parents=[common],
    )
    serve.add_argument("index", metavar="INDEX", help=INDEX_HELP)
    serve.add_argument(
        "--mcp",
        action="store_true",
        help="speak the Model Context Protocol on standard input and output instead of HTTP",
    )
    add_flags(serve.add_argument_group("settings"), ServeSettings)
    serve.set_defaults(function=serve_command)
    suites = commands.add_parser(
        "suites", help="list the question suites, or write one as files to evaluate on", parents=[common]
    )
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
        help="the published file, or hf:OWNER/NAME; without one the suite is read from the hub",
    )
    suites.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="folder to write: questions.jsonl, and corpus.jsonl where the release brings one",
    )
    suites.add_argument("--json", action="store_true", help="print JSON")
    suites.set_defaults(function=suites_command)
    export = commands.add_parser(
        "export",
        help="write trajectories as training data for TRL, LLaMA-Factory or verl",
        description=ExportSettings.__doc__,
        parents=[common],
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
    rewards = commands.add_parser(
        "rewards",
        help="measure what attacks on the rewards earn",
        description=RewardAuditSettings.__doc__,
        parents=[common],
    )
    rewards.add_argument(
        "action",
        metavar="audit",
        choices=["audit"],
        help="roll attacks out, and print what they earn under each reward",
    )
    rewards.add_argument("--json", action="store_true", help="print one JSON object")
    add_flags(rewards.add_argument_group("settings"), RewardAuditSettings)
    rewards.set_defaults(function=rewards_command)
    verl = commands.add_parser(
        "verl", help="write a configuration of verl that trains with this agent loop", parents=[common]
    )
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
    verl.add_argument("--val", required=True, metavar="PARQUET", help="the same, of tasks to validate on")
    verl.add_argument("--gpus", type=int, default=8, help="GPUs of a machine (default: 8)")
    verl.add_argument("--nodes", type=int, default=1, help="machines (default: 1)")
    verl.add_argument("--prompt-length", type=int, default=512, help="most tokens of a prompt (default: 512)")
    add_flags(verl.add_argument_group("settings of masksearch rl"), RlSettings)
    verl.set_defaults(function=verl_command)
    stats = commands.add_parser("stats", help="say what a file or folder of tasks holds", parents=[common])
    stats.add_argument("tasks", metavar="TASKS")
    stats.add_argument("--examples", type=int, default=3, help="how many tasks to show (default: 3)")
    stats.add_argument("--json", action="store_true", help="print one JSON object")
    stats.set_defaults(function=stats_command)
    return parser


def _add_stage(parser: argparse.ArgumentParser, kind: str) -> None:
    spec = STAGES[kind]
    positional = POSITIONALS.get(kind)
    if spec.takes_run:
        parser.add_argument("run_dir", metavar="RUN_DIR", help="folder that `masksearch run` wrote to")
    elif positional:
        field, name, count = positional
        parser.add_argument(
            DEST + field, metavar=name, nargs=count, default=argparse.SUPPRESS if count == "?" else []
        )
    where = (
        f"folder to write ({spec.product})"
        if spec.marker
        else f"file to write ({spec.product}), or - for standard output"
    )
    if spec.folder_marker:
        where += "; a name without a suffix is a folder of shards"
    parser.add_argument("-o", "--output", metavar="PATH", required=kind != "compare", help=where)
    parser.add_argument(
        "--recipe", metavar="RECIPE.toml", help="take the settings of a recipe's stage; flags win over it"
    )
    parser.add_argument(
        "--stage", metavar="NAME", help="which stage of the recipe, where it has several of this kind"
    )
    add_flags(parser.add_argument_group("settings"), spec.settings, skip=positional[:1] if positional else ())
    parser.set_defaults(function=stage_command, kind=kind, positional=positional[:2] if positional else None)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status. Without `argv` this process is taken to be ours: see process.py."""
    arguments = build_parser().parse_args(argv)
    if argv is None:
        process.prepare(arguments.command)
    try:
        with contextlib.ExitStack() as stack:
            if getattr(arguments, "quiet", False):
                stack.enter_context(
                    contextlib.redirect_stderr(stack.enter_context(open(os.devnull, "w", encoding="utf-8")))
                )
            arguments.function(arguments)
            sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nInterrupted; start the same command again to go on.", file=sys.stderr)
        if argv is None:
            # Where the signal came in the middle of an import, the interpreter would end itself by SIGINT afterwards, whatever the status.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)
        return 130
    except Exception as error:
        if getattr(arguments, "debug", False):
            traceback.print_exc()
        print(f"masksearch: {sentence(error)}", file=sys.stderr)
        return error.exit_status if isinstance(error, MaskSearchError) else 1


def sentence(error: Exception) -> str:
    """What a person is told of an error."""
    if isinstance(error, MaskSearchError):
        return " ".join(str(error).split())
    if disk_is_full(error, Path()):
        return "The disk is full; free some space and start the same command again to go on."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    where = "".join(f" {note}" for note in getattr(error, "__notes__", []))
    if isinstance(error, MemoryError):
        return f"There is not enough memory{where}; use a smaller batch or a smaller model."
    told = " ".join(str(error).split())
    return f"Unexpected {type(error).__name__}{where}: {told[:300]} (run again with --debug for the whole story)."


if __name__ == "__main__":
    sys.exit(main())
