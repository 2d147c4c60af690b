"""Commands that run one stage by itself (see recipe/single_stage.py).

If `-o` is the product of a stage inside a run (`RUN/stages/NAME/PRODUCT`), or `--out` names the run of a
recipe's stage, the command works in that stage's folder and writes the same marks as the run.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from masksearch.cli.flags import given_values, set_values, settings_of
from masksearch.cli.recipe_stage import recipe_stage
from masksearch.errors import UsageError
from masksearch.evaluation.compare.run_folder import comparisons
from masksearch.evaluation.settings import CompareSettings
from masksearch.recipe.overrides import merge
from masksearch.recipe.preflight.check import check_command
from masksearch.recipe.run import outcome
from masksearch.recipe.single_stage import Place, checked_output, run_into
from masksearch.recipe.stage_folders import STAGES as STAGE_FOLDERS
from masksearch.recipe.stages import STAGES, StageKind, run_stage
from masksearch.runtime import ranks
from masksearch.runtime.progress import say
from masksearch.runtime.settings import Settings


def stage_command(arguments: argparse.Namespace) -> None:
    """Runs a command such as `masksearch mask`, `sft` or `eval`."""
    spec = STAGES[arguments.kind]
    flags = given_values(arguments, spec.settings)
    known = recipe_stage(spec, arguments)
    output, run_dir = arguments.output, getattr(arguments, "run_dir", None)
    if known is None:
        overridden = tuple(override.partition("=")[0].strip() for override in arguments.set)
        settings = settings_of(
            spec.settings, merge(set_values(arguments.set), flags), arguments.positional, overridden
        )
    else:
        values = merge(known.values(), flags)
        known.check_needs(values)
        settings = settings_of(spec.settings, values, arguments.positional)
        if known.inside:
            output, run_dir = known.product, run_dir or str(known.run)
    place = None
    if known and known.inside and spec.takes_run:
        folder = known.folder_of_whole_run(settings)
        place = Place(folder, known.run / ".lock", str(known.run), known.run)
    for name, chosen in _expanded(settings, output).items():
        summary = run_to(spec, chosen, output, Path(run_dir) if run_dir else None, place)
        if not ranks.is_first():
            return
        if summary.get("table"):
            print(f"{name}\n\n{summary['table']}\n" if name else summary["table"])
        elif output:
            say(f"{output}{outcome(summary)}")


def _expanded(settings: Settings, output: str | None) -> dict[str, Settings]:
    """Returns the settings to run the stage with, by name; several only for a run with several comparisons.

    The names are empty if there is only one.
    """
    if not isinstance(settings, CompareSettings):
        return {"": settings}
    found = comparisons(settings)
    if len(found) > 1 and output is not None:
        names = ", ".join(found)
        raise UsageError(
            f"{settings.results[0]} has several comparisons ({names}), but -o names one file; "
            f"choose one: {Path(settings.results[0]) / STAGE_FOLDERS / next(iter(found))}."
        )
    return dict(found) if len(found) > 1 else dict.fromkeys([""], next(iter(found.values())))


def run_to(
    spec: StageKind,
    settings: Settings,
    output: str | None,
    run_dir: Path | None,
    place: Place | None = None,
) -> dict[str, Any]:
    """Runs the stage and returns its summary.

    Without an output, or with `-`, the stage works in a temporary folder; `-` prints the product.
    """
    if output is not None and (output != "-" or spec.marker):
        return run_into(spec, settings, checked_output(spec, Path(output)), run_dir, place)
    with tempfile.TemporaryDirectory() as folder:
        check_command(spec, settings, Path(folder))
        product = Path(folder) / spec.product
        summary = run_stage(spec, settings, product, Path(folder), run_dir)
        if output == "-":
            with open(product, encoding="utf-8") as stream:
                shutil.copyfileobj(stream, sys.stdout)
            summary.pop("table", None)
        return summary
