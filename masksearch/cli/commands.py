"""Commands that do one thing: a stage by itself, or a search.

A stage outside a run writes its product to `-o` and keeps what it needs to resume in `OUTPUT.work`. That folder stays if it holds
something of use afterwards (trajectories, logs); started again with other settings, the command clears it first.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from masksearch.cli.flags import given_values, settings_of
from masksearch.errors import UsageError
from masksearch.recipe import references
from masksearch.recipe.load import Stage, load_recipe, merge
from masksearch.recipe.run import told
from masksearch.recipe.stage_keys import StageFolder, settings_key
from masksearch.recipe.stages import STAGES, StageKind, run_stage
from masksearch.runtime import files, ranks
from masksearch.runtime.extras import naming_extras
from masksearch.runtime.lock import locked
from masksearch.runtime.progress import say
from masksearch.runtime.settings import Settings
from masksearch.search.settings import AskSettings
from masksearch.serving.settings import ServeSettings
from masksearch.text.display import printable, printable_lines
from masksearch.train.settings import RlSettings
from masksearch.types import Hit


def stage_command(arguments: argparse.Namespace) -> None:
    """`masksearch mask`, `sft`, `eval` and so on."""
    spec = STAGES[arguments.kind]
    given = given_values(arguments, spec.settings)
    values = (
        merge(_recipe_values(spec, arguments.recipe, arguments.stage), given) if arguments.recipe else given
    )
    settings = settings_of(spec.settings, values, arguments.positional)
    run_dir = Path(arguments.run_dir) if spec.takes_run else None
    summary = _do(spec, settings, arguments.output, run_dir)
    if not ranks.is_first():
        return
    if summary.get("table"):
        print(summary["table"])
    elif arguments.output:
        say(f"{arguments.output}{told(summary)}")


def _do(spec: StageKind, settings: Settings, output: str | None, run_dir: Path | None) -> dict[str, Any]:
    """The stage; without an output, or with `-`, in a folder that is thrown away, the product being printed for `-`."""
    if output is not None and (output != "-" or spec.marker):
        return _into(spec, settings, _checked(spec, Path(output)), run_dir)
    with tempfile.TemporaryDirectory() as folder:
        product = Path(folder) / spec.product
        summary = run_stage(spec, settings, product, Path(folder), run_dir)
        if output == "-":
            with open(product, encoding="utf-8") as stream:
                shutil.copyfileobj(stream, sys.stdout)
            summary.pop("table", None)
        return summary


def _into(spec: StageKind, settings: Settings, output: Path, run_dir: Path | None) -> dict[str, Any]:
    """The stage with its product at `output` and its work beside it, out of reach of any other command with the same output."""
    if ranks.count() > 1 and spec.kind not in ranks.TRAINS:
        raise UsageError(
            f"`masksearch {spec.kind}` is one process; start it without a launcher. What {ranks.count()} processes can share: {', '.join(ranks.TRAINS)}."
        )
    if not ranks.is_first():
        return _beside(spec, settings, output)
    output.absolute().parent.mkdir(parents=True, exist_ok=True)
    with locked(output.with_name(f".{output.name}.lock"), f"{output}.work", "choose another -o"):
        return _locked_into(spec, settings, output, run_dir)


def _beside(spec: StageKind, settings: Settings, output: Path) -> dict[str, Any]:
    """The part of a process that is not the first: it computes in folders that the first one makes, clears and marks."""
    from masksearch.train.distributed import join, wait

    join()
    wait()
    summary = run_stage(spec, settings, output, output.with_name(output.name + ".work"))
    wait()
    return summary


def _locked_into(spec: StageKind, settings: Settings, output: Path, run_dir: Path | None) -> dict[str, Any]:
    work = output.with_name(output.name + ".work")
    # Standard input cannot be read twice, so such work is never taken up again.
    key = settings_key(spec, settings, {}, str(run_dir))
    folder = StageFolder(work, output, key)
    if work.exists() and not folder.mark_file.exists() and any(work.iterdir()):
        raise UsageError(
            f"{work}, where this command keeps its work, holds something else; move it away or choose another -o."
        )
    # Answers of models are paid for: a command that was killed, or given again, after it had finished asks nothing a second time.
    paid = getattr(settings, "teacher", "") == "agents"
    if folder.done_file.exists() and paid and folder.is_mine():
        say(
            f"What became of each task is known from {work}, so nothing that was answered is asked again; remove it to begin anew."
        )
    elif folder.done_file.exists() or getattr(settings, "corpus", "") == "-":
        files.remove(work)
    folder.prepare()
    for leftover in output.absolute().parent.glob(
        f".{glob.escape(output.name)}.*.tmp"
    ):  # of an attempt that was killed while it wrote
        files.remove(leftover)
    try:
        with _others_let_go():
            summary = run_stage(spec, settings, output, work, run_dir)
        if summary.get("unfinished"):
            say("Start the same command again to go on with what is left.")
        else:
            folder.finish({"kind": spec.kind, "summary": summary})
    finally:
        if {entry.name for entry in work.iterdir()} <= {"stage.json", "done.json"}:
            files.remove(work)
    return summary


@contextlib.contextmanager
def _others_let_go() -> Iterator[None]:
    """Lets the other processes, where there are any, into the folders now; they end when this one's part is done."""
    if ranks.count() == 1:
        yield
        return
    with naming_extras("Training with several processes"):
        from masksearch.train.distributed import join, wait

    join()
    wait()
    yield
    wait()


def _checked(spec: StageKind, output: Path) -> Path:
    """The output path, if writing there destroys nothing else. Raises UsageError."""
    marker = spec.marker or ("" if output.suffix else spec.folder_marker)
    if output.exists() and not output.is_dir() and not output.is_file():
        raise UsageError(
            f"-o {output} is neither a file nor a folder; choose another name, or - for standard output."
        )
    if output.is_dir() and not marker:
        raise UsageError(
            f"-o {output} is a folder, but this command writes a file; name a file in it, such as {output / spec.product}."
        )
    if output.is_file() and marker:
        raise UsageError(f"-o {output} is a file, but this command writes a folder; choose another name.")
    if output.is_dir() and any(output.iterdir()) and not (output / marker).exists():
        raise UsageError(
            f"-o {output} is a folder with other things in it than a {spec.product}; choose another name."
        )
    return output


def _recipe_values(spec: StageKind, recipe_path: str, name: str | None) -> dict[str, Any]:
    """A stage's settings from a recipe. What it takes from other stages is looked for in the recipe's own run folder."""
    recipe = load_recipe(recipe_path)
    stage = recipe.stage(name) if name else _only(recipe_path, spec.kind, recipe.stages)
    if stage.spec.kind != spec.kind:
        raise UsageError(f"--stage {stage.name} is of the kind '{stage.spec.kind}', not '{spec.kind}'.")
    root = Path("runs") / recipe.name / "stages"
    products = {other.name: str(root / other.name / other.spec.product) for other in recipe.stages}
    return references.change(
        spec.settings, stage.settings, lambda field, value, many: [products.get(value, value)]
    )


def _only(recipe_path: str, kind: str, stages: tuple[Stage, ...]) -> Stage:
    found = [stage for stage in stages if stage.spec.kind == kind]
    if len(found) != 1:
        choice = f"several stages of the kind {kind}; choose one with --stage: {', '.join(stage.name for stage in found)}"
        raise UsageError(f"{recipe_path} has {choice if found else f'no stage of the kind {kind}'}.")
    return found[0]


def export_command(arguments: argparse.Namespace) -> None:
    """`masksearch export`: trajectories as training data of another trainer."""
    from masksearch.interop.export.command import export
    from masksearch.interop.export.settings import ExportSettings

    settings = settings_of(
        ExportSettings, given_values(arguments, ExportSettings), ("trajectories", "TRAJECTORIES")
    )
    output = Path(arguments.output)
    unlocked = arguments.output == "-" or not output.parent.is_dir()
    with (
        contextlib.nullcontext()
        if unlocked
        else locked(output.with_name(f".{output.name}.lock"), str(output), "choose another -o")
    ):
        say(export(settings, arguments.output)["text"])


def verl_command(arguments: argparse.Namespace) -> None:
    """`masksearch verl`: a configuration of verl that trains with our agent loop."""
    from masksearch.interop.verl.config import write_config

    settings = settings_of(RlSettings, given_values(arguments, RlSettings))
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
    say(
        f"Start it with: python -m verl.trainer.main_ppo --config-path {folder.absolute()} --config-name masksearch"
    )


def stats_command(arguments: argparse.Namespace) -> None:
    """`masksearch stats`: what a task file or a folder of shards holds."""
    from masksearch.ramp.run.stats import describe, render

    if arguments.examples < 0:
        raise UsageError(f"--examples {arguments.examples} is less than none; ask for 0 or more.")
    told = describe(Path(arguments.tasks), arguments.examples)
    print(json.dumps(told, ensure_ascii=False, indent=1) if arguments.json else printable_lines(render(told)))


def search_command(arguments: argparse.Namespace) -> None:
    """`masksearch search`: ranked passages as text, or one JSON object."""
    from masksearch.search import describe, open_searcher
    from masksearch.text.terms import highlight

    settings = settings_of(AskSettings, given_values(arguments, AskSettings))
    if arguments.k < 1:
        raise UsageError(f"-k {arguments.k} is too few; ask for at least 1 result.")
    if not arguments.query.strip():
        raise UsageError("The query is empty; write a few words to search for.")
    with naming_extras("This search"):
        searcher = open_searcher(arguments.index, settings.search)
        hits = searcher.search([arguments.query], arguments.k)[0]
    known = describe(arguments.index)
    if arguments.json:
        rows = [
            {"id": hit.passage.id, "title": hit.passage.title, "text": hit.passage.text, "score": hit.score}
            for hit in hits
        ]
        print(
            json.dumps(
                {"query": arguments.query, "retriever": searcher.fingerprint, "index": known, "hits": rows},
                ensure_ascii=False,
            )
        )
        return
    language = known.get("settings", {}).get("language", "en")
    for rank, hit in enumerate(hits, 1):
        text = printable(hit.passage.text)
        print(_shown(rank, hit, highlight(text, arguments.query, language) if sys.stdout.isatty() else text))
    if not hits:
        say("Nothing was found.")


def serve_command(arguments: argparse.Namespace) -> None:
    """`masksearch serve`: over HTTP until it is told to stop, or with --mcp until standard input ends."""
    from masksearch.search import open_searcher

    settings = settings_of(ServeSettings, given_values(arguments, ServeSettings))
    with naming_extras("The server"):
        searcher = open_searcher(arguments.index, settings.search)
        if arguments.mcp:
            from masksearch.serving.mcp import serve_mcp

            serve_mcp(searcher, settings)
        else:
            from masksearch.serving.run import serve

            serve(searcher, settings)


def _shown(rank: int, hit: Hit, text: str) -> str:
    return f"{rank}. {printable(hit.passage.title)}  ({hit.score:.2f})\n   {text}"
