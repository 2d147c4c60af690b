"""Commands that are not stages: ask, search, serve, export, publish, stats, verl, schema."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path

from masksearch.cli.flags import command_settings, named_index
from masksearch.errors import MaskSearchError, UsageError
from masksearch.recipe.products import model_beside, product_of, product_to_publish
from masksearch.runtime import colour
from masksearch.runtime.extras import naming_extras
from masksearch.runtime.lock import locked
from masksearch.runtime.progress import say
from masksearch.text.display import printable, printable_lines


def export_command(arguments: argparse.Namespace) -> None:
    """`masksearch export`: writes trajectories as training data of another trainer."""
    from masksearch.interop.export.command import export
    from masksearch.interop.export.settings import ExportSettings

    settings = command_settings(ExportSettings, arguments, ("trajectories", "TRAJECTORIES"))
    output = Path(arguments.output)
    unlocked = arguments.output == "-" or not output.parent.is_dir()
    with (
        contextlib.nullcontext()
        if unlocked
        else locked(output.with_name(f".{output.name}.lock"), str(output), "choose another -o")
    ):
        say(export(settings, arguments.output)["text"])


def publish_command(arguments: argparse.Namespace) -> None:
    """`masksearch publish`: writes a model or data as a folder with a card, and uploads it on demand."""
    from masksearch.interop.publish.command import publish
    from masksearch.interop.publish.settings import PublishSettings

    settings = command_settings(PublishSettings, arguments)
    say(publish(product_to_publish(arguments.source), arguments.output, settings)["text"])


def verl_command(arguments: argparse.Namespace) -> None:
    """`masksearch verl`: writes a configuration of verl that trains with our agent loop."""
    from masksearch.interop.verl.config import write_config
    from masksearch.train.settings import RlSettings

    settings = command_settings(RlSettings, arguments)
    folder = Path(arguments.output)
    write_config(
        settings,
        folder,
        arguments.train,
        arguments.val,
        arguments.gpus,
        arguments.nodes,
        arguments.prompt_length,
    )
    command = "python -m verl.trainer.main_ppo --config-path"
    say(f"Start it with: {command} {folder.absolute()} --config-name masksearch")


def stats_command(arguments: argparse.Namespace) -> None:
    """`masksearch stats`: counts and examples of a task file or a folder of shards."""
    from masksearch.ramp.run.stats import describe, render

    if arguments.examples < 0:
        raise UsageError(f"--examples {arguments.examples} is negative; ask for 0 or more.")
    stats = describe(Path(product_of("tasks", arguments.tasks)), arguments.examples)
    if arguments.json:
        print(json.dumps(stats, ensure_ascii=False, indent=1))
    else:
        print(printable_lines(render(stats)))


def ask_command(arguments: argparse.Namespace) -> None:
    """`masksearch ask`: asks the question of the command line; without one, those that are typed."""
    from masksearch.asking.settings import AskSettings

    settings = command_settings(AskSettings, arguments)
    index = named_index(arguments.index)
    if not settings.model:
        settings = settings.model_copy(update={"model": model_beside(index)})
    if arguments.json and arguments.question is None:
        raise UsageError("--json prints the answer to one question, so it needs the question.")
    with naming_extras("This command"):
        from masksearch.asking import open_agent
        from masksearch.asking.command import ask_at_prompt, ask_once

        agent = open_agent(index, settings)
        if arguments.question is None:
            ask_at_prompt(agent)
        else:
            ask_once(agent, arguments.question, arguments.json)


def tool_command(arguments: argparse.Namespace) -> None:
    """A command that checks its needs and resumes as a stage does: audit, verify, score."""
    from masksearch.cli.stage_command import run_to
    from masksearch.recipe.run import outcome
    from masksearch.recipe.stages import TOOLS

    spec = TOOLS[arguments.kind]
    first = next(iter(arguments.positional.items()))
    settings = command_settings(spec.settings, arguments, first)
    output = arguments.output
    if output is None and arguments.kind == "verify":
        named = Path(str(getattr(settings, "results", "")))
        output = str((named / "results" if named.is_dir() else named).with_suffix(".verify.json"))
    summary = run_to(spec, settings, output, None)
    if summary.get("table"):
        print(printable_lines(summary["table"]))
    if failed := summary.get("failed"):
        raise MaskSearchError(failed)
    say(f"{output}{outcome(summary)}" if output else str(summary["text"]))


def search_command(arguments: argparse.Namespace) -> None:
    """`masksearch search`: ranked passages as text, or one JSON object."""
    from masksearch.search import describe, open_searcher
    from masksearch.search.settings import QuerySettings
    from masksearch.text.terms import highlight

    settings = command_settings(QuerySettings, arguments)
    if arguments.k < 1:
        raise UsageError(f"-k {arguments.k} is too few; ask for at least 1 result.")
    if not arguments.query.strip():
        raise UsageError("The query is empty; write a few words to search for.")
    index = named_index(arguments.index)
    with naming_extras("This search"):
        searcher = open_searcher(index, settings.search)
        hits = searcher.search([arguments.query], arguments.k)[0]
    known = describe(index)
    if arguments.json:
        rows = [
            {"id": hit.passage.id, "title": hit.passage.title, "text": hit.passage.text, "score": hit.score}
            for hit in hits
        ]
        answer = {"query": arguments.query, "retriever": searcher.fingerprint, "index": known, "hits": rows}
        print(json.dumps(answer, ensure_ascii=False))
        return
    language = known.get("settings", {}).get("language", "en")
    for rank, hit in enumerate(hits, 1):
        text = printable(hit.passage.text)
        if colour.shows_colour(sys.stdout):
            text = highlight(text, arguments.query, language)
        print(f"{rank}. {printable(hit.passage.title)}  ({hit.score:.2f})\n   {text}")
    if not hits:
        say("Nothing was found.")


def serve_command(arguments: argparse.Namespace) -> None:
    """`masksearch serve`: over HTTP until a signal stops it, or with --mcp until standard input ends."""
    from masksearch.search import open_searcher
    from masksearch.serving.settings import ServeSettings

    settings = command_settings(ServeSettings, arguments)
    index = named_index(arguments.index)
    with naming_extras("The server"):
        searcher = open_searcher(index, settings.search)
        if arguments.mcp:
            from masksearch.serving.mcp import serve_mcp

            serve_mcp(searcher, settings)
        else:
            from masksearch.serving.run import serve

            serve(searcher, settings)


def init_command(arguments: argparse.Namespace) -> None:
    """`masksearch init`: says what the documents hold, and writes a recipe."""
    from masksearch.recipe.start.command import init
    from masksearch.recipe.start.settings import InitSettings

    init(arguments.source, arguments.output, command_settings(InitSettings, arguments))


def schema_command(arguments: argparse.Namespace) -> None:
    """`masksearch schema`: prints the JSON schema of recipes, or a page of all settings."""
    from masksearch.recipe.schema import recipe_schema
    from masksearch.recipe.settings_page import settings_page

    if arguments.markdown:
        print(settings_page(), end="")
    else:
        print(json.dumps(recipe_schema(), ensure_ascii=False, indent=1))
