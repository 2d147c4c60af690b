"""The end of a run: what it shows and does not show, an example, one table, and commands to type next.

`report/conclusion` computes these; the report opens with the same headlines and the same example. The other
tables are in the report and behind `masksearch compare RUN`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.recipe import shipped
from masksearch.recipe.load import Recipe, Stage
from masksearch.report.conclusion.build import Conclusion, conclude
from masksearch.report.conclusion.terminal import WIDTH, lines
from masksearch.report.load import load_run
from masksearch.runtime import colour
from masksearch.text.display import printable

COMMANDS = 4
"""Maximum number of commands to type next."""
TRAINED = ("sft", "rl", "evolve")
"""Kinds of stages that train a model."""
Rows = Mapping[str, Mapping[str, Any]]
"""Name of a stage -> its row in run.json."""


def conclusion(recipe: Recipe, out: Path, rows: Rows, products: Mapping[str, str]) -> str:
    """Returns the text that a run prints at its end; `products` are the paths of the stages' products."""
    done = [stage for stage in recipe.stages if rows[stage.name]["status"] == "done"]
    summaries = {stage.name: rows[stage.name]["summary"] or {} for stage in done}
    try:
        found = conclude(load_run(out, trajectories=False))
    except DataError:  # no stage of the recipe is done
        found = Conclusion((), (), None, ())
    blocks = ["\n".join(lines(found, f"masksearch compare {shlex.quote(str(out))}"))]
    blocks += ["\n" + text for text in _other_tables(done, summaries, products, found)]
    blocks += [f"\n{name}: {note}" for name, note in _notes(done, summaries)]
    reports = [products[stage.name] for stage in done if stage.spec.takes_run]
    blocks += [f"\nReport: {colour.cyan(path)}" for path in reports]
    commands = list(_commands(recipe.name, done, out, products, found))[:COMMANDS]
    if commands:
        blocks += ["\n" + colour.bold("Next"), *_aligned(commands)]
    return "\n".join(filter(None, blocks))


def _other_tables(
    done: Sequence[Stage], summaries: Mapping[str, Any], products: Mapping[str, str], found: Conclusion
) -> Iterator[str]:
    """Yields the tables of stages that the conclusion does not cover, or where they are.

    Evaluations of other runs have no place in this run's conclusion; a comparison of them prints its tables.
    """
    for stage in done:
        table = summaries[stage.name].get("table")
        kept = Path(products[stage.name]) / "table.md"
        if not table or (stage.spec.kind == "compare" and found.scores):
            continue
        yield f"Tables of {stage.name}: {colour.cyan(str(kept))}" if kept.is_file() else str(table)


def _notes(done: Sequence[Stage], summaries: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (stage, note) of the notes that the conclusion does not give already."""
    for stage in done:
        summary = summaries[stage.name]
        given = stage.spec.kind == "evolve" or (stage.spec.kind == "rl" and not summary.get("stopped"))
        if summary.get("note") and not given:
            yield stage.name, summary["note"]


def _commands(
    name: str, done: Sequence[Stage], out: Path, products: Mapping[str, str], found: Conclusion
) -> Iterator[tuple[str, str]]:
    """Yields (command, what it does) for a run of the recipe `name`; each works with the run's own files."""
    run = shlex.quote(str(out))
    if any(stage.spec.kind == "eval" for stage in done):
        yield f"masksearch compare {run}", "all tables"
    words = printable(found.example.queries[0]) if found.example and found.example.queries else "a few words"
    query = shlex.quote(" ".join(words.split()[:6]))
    indexes = [products[stage.name] for stage in done if stage.spec.kind == "index"]
    if found.example and found.example.index:
        indexes.insert(0, found.example.index)
    if indexes:
        yield f"masksearch search {shlex.quote(indexes[0])} {query}", "the agent's search"
    trained = [stage for stage in done if stage.spec.kind in TRAINED]
    if trained and indexes:
        model = shlex.quote(str(Path(products[trained[-1].name]).parent))
        index = shlex.quote(str(Path(indexes[0]).parent))
        yield f"masksearch serve {index} --model {model}", "a page to ask it on"
    if name != "my-corpus" and shipped.find(name) is not None:
        yield "masksearch init docs/", "a recipe for your documents"
    for stage in done:
        if stage.spec.kind == "mask":
            yield f"masksearch stats {shlex.quote(products[stage.name])}", "counts and examples of the tasks"
            break
    if done and not any(stage.spec.takes_run for stage in done):
        yield f"masksearch report {run} -o {shlex.quote(str(out / 'report.html'))}", "the page of this run"


def _aligned(commands: list[tuple[str, str]]) -> Iterator[str]:
    """Yields a line for each command, with its purpose to the right where the line has room for it."""
    widest = max((len(command) for command, _ in commands if len(command) <= WIDTH - 40), default=0)
    for command, about in commands:
        room = len(command) <= widest
        yield f"  {colour.cyan(command)}" + (
            f"{'':{widest - len(command)}}  {colour.dim(about)}" if room else ""
        )
