"""`masksearch completion SHELL`: prints a script that completes commands, flags, choices, files and the
names of recipes. The library shtab writes the script from the parser."""

from __future__ import annotations

import argparse

from masksearch.cli.parser import build_parser
from masksearch.cli.parsing import Parser
from masksearch.errors import UsageError
from masksearch.text.nearest import nearest

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
FILES = (
    "PATH",
    "DIR",
    "RUN_DIR",
    "CORPUS",
    "TASKS",
    "QUESTIONS",
    "RESULTS",
    "PREDICTIONS",
    "TRAJECTORIES",
    "INDEX",
    "SOURCE",
)
"""Words of the help that stand for a file or folder."""


def completion_command(arguments: argparse.Namespace) -> None:
    """Prints the script. Raises UsageError for an unknown shell."""
    if arguments.shell not in SHELLS:
        raise UsageError(f"There is no completion for '{arguments.shell}'{nearest(arguments.shell, SHELLS)}")
    print(script(arguments.shell))


def script(shell: str) -> str:
    """Returns the completion script for a shell."""
    import shtab

    parser = build_parser()
    for command in (parser, *parser.commands.values()):
        _describe(command.filled())
    return str(shtab.complete(parser, shell=shell))


def _describe(parser: Parser) -> None:
    """Tells shtab, by attributes of the actions, which choices and files complete each value."""
    import shtab

    from masksearch.recipe.shipped import shipped

    for action in parser._actions:
        words = getattr(action, "values", [])
        metavar = str(action.metavar or "")
        if words and action.nargs != 0:
            action.choices = words
        elif action.metavar == "RECIPE" or action.dest == "recipe":
            names = " ".join(item.name for item in shipped() if item.is_recipe)
            action.complete = _names_or_files(names)  # type: ignore[attr-defined]
        elif parser.prog.endswith("completion") and action.dest == "shell":
            action.choices = SHELLS
        elif parser.prog.endswith("help") and action.dest == "name":
            action.choices = list(build_parser().commands)
        elif metavar.rpartition("=")[2].partition("[")[0] in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        if action.help:
            action.help = str(action.help).replace("%%", "%").replace("%", "%%")


def _names_or_files(names: str) -> dict[str, object]:
    """Returns shtab's description of a value that is one of `names`, or a file."""
    return {
        "bash": "_masksearch_recipes",
        "zsh": f"_alternative 'names:recipes:({names})' 'files:files:_files'",
        "fish": f"({{echo {names} | string split ' '; __fish_complete_path (commandline -ct)}})",
        "preamble": {
            "bash": (f'_masksearch_recipes() {{\n  compgen -W "{names}" -- "$1"\n  compgen -f -- "$1"\n}}\n')
        },
    }
