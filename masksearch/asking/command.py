"""The work of `masksearch ask`: one question, or a prompt for several."""

from __future__ import annotations

import json
import sys

from masksearch.asking.agent import Agent
from masksearch.asking.history import lines_typed
from masksearch.asking.show import Printer
from masksearch.errors import UsageError
from masksearch.runtime.coroutines import run_coroutine
from masksearch.runtime.progress import say


def ask_once(agent: Agent, question: str, as_json: bool = False, noted: set[str] | None = None) -> None:
    """Prints the episode of a question as it happens, then the answer; or one JSON object at its end.

    `noted` has the notes of earlier questions, which are not repeated.
    """
    if as_json:
        print(json.dumps(run_coroutine(agent.ask(question)).to_json(), ensure_ascii=False))
        return
    printer = Printer(noted=noted)
    printer.reply(run_coroutine(agent.ask(question, printer)))


def ask_at_prompt(agent: Agent) -> None:
    """Answers the questions that are typed, until an empty line or the end of input."""
    if sys.stdin.isatty():
        say("Type a question, or an empty line to stop.")
    noted: set[str] = set()
    for question in lines_typed("? "):
        try:
            ask_once(agent, question, noted=noted)
        except UsageError as error:
            say(str(error))
        print()
