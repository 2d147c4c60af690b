"""`masksearch help [COMMAND]`: the same help as `masksearch COMMAND --help`."""

from __future__ import annotations

import argparse

from masksearch.cli.parser import build_parser
from masksearch.errors import UsageError
from masksearch.text.nearest import nearest


def help_command(arguments: argparse.Namespace) -> None:
    """Prints the help of the program, or of one command. Raises UsageError for an unknown command."""
    parser = build_parser()
    if arguments.name is None:
        parser.print_help()
        return
    if arguments.name not in parser.commands:
        raise UsageError(f"There is no command '{arguments.name}'{nearest(arguments.name, parser.commands)}")
    parser.commands[arguments.name].print_help(everything=arguments.all)
