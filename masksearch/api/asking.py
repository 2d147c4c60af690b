"""Asking a model: `ask` for one question, `open_agent` for many or for coroutines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from masksearch.agent.watch import Event, Watch, ignore
from masksearch.api.index import Index, as_index
from masksearch.api.products import Checkpoint, Source
from masksearch.api.signature import with_settings
from masksearch.api.workspace import settings_of
from masksearch.asking.agent import Agent, Reply
from masksearch.asking.agent import open_agent as open_with_settings
from masksearch.asking.settings import AskSettings
from masksearch.asking.show import Printer
from masksearch.recipe.products import model_beside, product_of
from masksearch.runtime.coroutines import run_coroutine

KEPT = 1
"""Number of agents whose model stays loaded for the next question."""
_open: dict[str, Agent] = {}


@with_settings(AskSettings)
def ask(
    index: Index | Source,
    question: str,
    *,
    model: Checkpoint | Source | None = None,
    show: bool = False,
    watch: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Reply:
    """Answers a question by searching an index (`masksearch ask`).

    The reply has the answer, the passages that it rests on, and the trajectory; a failed model or search
    raises nothing, and `reply.fault` is a sentence then. `model` is a checkpoint, or `openai:NAME` at the
    endpoint `llm`; without it, the model of the run that the index belongs to. `show` prints the episode as
    it happens; `watch` is called with each of its events (masksearch/agent/watch.py). The model stays loaded
    for the next question. In a coroutine, use `await open_agent(...).ask(question)`, which does not block.
    """
    agent = open_agent(index, model=model, **settings)
    printer = Printer() if show else None

    def both(event: Event) -> None:
        for one in (printer, watch):
            if one is not None:
                one(event)

    watcher: Watch = both if printer or watch else ignore
    reply = run_coroutine(agent.ask(question, watcher))
    if printer:
        printer.reply(reply)
    return reply


@with_settings(AskSettings)
def open_agent(index: Index | Source, *, model: Checkpoint | Source | None = None, **settings: Any) -> Agent:
    """Opens a model with a search. The agent answers questions, several at once, with
    `await agent.ask(question)`. The agent that was opened last is returned again for the same arguments."""
    source = product_of("index", str(as_index(index).source))
    chosen = model if model is not None else model_beside(source)
    given = settings_of(AskSettings, "ask", {"model": chosen, **settings}, Path())
    key = "\n".join([source, _version(source), given.model_dump_json(), _version(given.model)])
    if key not in _open:
        while len(_open) >= KEPT:
            _open.pop(next(iter(_open)))
        _open[key] = open_with_settings(source, given)
    return _open[key]


def _version(path: str) -> str:
    """Returns the time of the latest change in a folder; empty for another text than a path."""
    folder = Path(path)
    if not folder.is_dir():
        return ""
    return str(max((entry.stat().st_mtime_ns for entry in folder.iterdir()), default=0))
