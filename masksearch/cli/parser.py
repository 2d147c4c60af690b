"""The commands of the program, in groups. A command's flags are added when the command is used (stages.py,
tools.py, run_command.py), so that `masksearch --help` imports no settings."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

from masksearch import __version__
from masksearch.cli.parsing import Parser

GROUPS: dict[str, dict[str, str]] = {
    "a whole run": {
        "init": "look at your documents, and write a recipe for them",
        "run": "run a recipe, or a part of it: every stage, resumable",
        "recipes": "list the recipes that come with MaskSearch, or copy one for editing",
        "report": "write one HTML page of a run",
    },
    "stages of the pipeline": {
        "model": "make a checkpoint folder of a model",
        "index": "build a search index of a corpus",
        "mask": "turn a corpus into RAMP tasks",
        "synthesize": "turn tasks or questions into trajectories",
        "sft": "train a model on trajectories",
        "rl": "train a model by reinforcement learning (DAPO)",
        "evolve": "train a model on its own correct trajectories, round by round",
    },
    "evaluation": {
        "eval": "measure a model on tasks or questions",
        "compare": "compare results in tables, with paired tests",
        "audit": "check whether searching can answer the questions",
        "verify": "check a results file: its records, and the evaluation again",
        "score": "score the predictions of another system",
        "suites": "list the question suites, or write one as files to evaluate on",
        "rewards": "measure the rewards that attacks earn",
    },
    "search": {
        "ask": "ask a model a question, and watch it search",
        "search": "query an index, or a search over the network",
        "serve": "answer searches and questions: over HTTP, on a page, or as an MCP server",
    },
    "data for other programs": {
        "stats": "count and show the tasks of a file or folder",
        "publish": "write a model, tasks or trajectories as a folder with a card, and upload it",
        "export": "write trajectories as training data for TRL, LLaMA-Factory or verl",
        "verl": "write a configuration of verl that trains with this agent loop",
    },
    "this program": {
        "schema": "print the JSON schema of recipes, or a page of all settings",
        "completion": "print a script that completes commands and flags in your shell",
        "help": "show the flags of a command",
    },
}
"""Heading -> its commands, each with what it does."""
STAGES = ("model", "index", "mask", "synthesize", "evolve", "sft", "rl", "eval", "compare", "report")
"""The commands that run one stage of a recipe."""
EXAMPLES = (
    "masksearch run demo                      the whole pipeline on two cores",
    "masksearch index docs/ -o index          an index of your documents",
    'masksearch search index "a few words"    what the model would read',
    'masksearch ask runs/demo "a question"    the model searches and answers',
)


def build_parser() -> Parser:
    """Builds the parser of the whole command line."""
    parser = Parser(
        "masksearch",
        description="Turns any text corpus into search skill.",
        groups={heading: tuple(commands) for heading, commands in GROUPS.items()},
    )
    parser.examples = EXAMPLES
    _add_common(parser)
    parser.add_argument(
        "--version", action="version", version=f"masksearch {__version__}", help="show the version"
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", parser_class=Parser)
    for group in GROUPS.values():
        for name, about in group.items():
            commands.add_parser(name, help=about, fill=_filling(name), description=about)
    return parser


def _add_common(parser: Parser) -> None:
    """Adds the flags of every command. Without a value they set no attribute, because the program and the
    command both have them."""
    absent: Any = argparse.SUPPRESS
    debug = parser.add_argument(
        "--debug", action="store_true", default=absent, help="show the traceback of an error"
    )
    debug.basic = False  # type: ignore[attr-defined]
    parser.add_argument(
        "-q", "--quiet", action="store_true", default=absent, help="no progress, only results and errors"
    )


def _filling(name: str) -> Callable[[Parser], None]:
    """Returns the function that adds the arguments of a command."""

    def fill(parser: Parser) -> None:
        if name in STAGES:
            _function("stages", "add_stage")(parser, name)
        elif name == "run":
            _function("run_command", "add_run_flags")(parser)
        else:
            _function("tools", f"add_{name}")(parser)
        _add_common(parser)

    return fill


def _function(module: str, name: str) -> Callable[..., None]:
    function: Callable[..., None] = getattr(importlib.import_module(f"masksearch.cli.{module}"), name)
    return function
