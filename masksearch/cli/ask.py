"""`masksearch ask`: asks a model one question, or several at a prompt."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from masksearch.asking.settings import AskSettings
from masksearch.cli.flags import command_settings, named_index
from masksearch.errors import UsageError
from masksearch.recipe.products import model_beside
from masksearch.runtime.extras import naming_extras
from masksearch.runtime.progress import say


def ask_command(arguments: argparse.Namespace) -> None:
    """Asks the question of the command line; without one, those that are typed."""
    settings = command_settings(AskSettings, arguments)
    index = named_index(arguments.index)
    if not settings.model:
        settings = settings.model_copy(update={"model": model_beside(index)})
    if arguments.json and arguments.question is None:
        raise UsageError("--json needs a question.")
    with naming_extras("This command"):
        from masksearch.asking import open_agent

        agent = open_agent(index, settings)
        if arguments.question is not None:
            asyncio.run(_once(agent, arguments.question, arguments.json))
        else:
            _prompt(agent)


async def _once(agent, question: str, as_json: bool) -> None:  # type: ignore[no-untyped-def]
    from masksearch.asking.show import Printer

    if as_json:
        print(json.dumps((await agent.ask(question)).to_json(), ensure_ascii=False))
        return
    printer = Printer()
    printer.reply(await agent.ask(question, printer))


def _prompt(agent) -> None:  # type: ignore[no-untyped-def]
    """Reads questions until the end of input."""
    from masksearch.asking.history import lines_typed

    if sys.stdin.isatty():
        say("Type a question, or an empty line to stop.")
    for question in lines_typed("? "):
        try:
            asyncio.run(_once(agent, question, False))
        except UsageError as error:
            say(str(error))
