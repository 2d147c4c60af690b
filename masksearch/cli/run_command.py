"""`masksearch run`: runs a recipe, a part of it, or shows the plan."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from masksearch.errors import UsageError
from masksearch.recipe.inputs import check_inputs
from masksearch.recipe.load import load_recipe
from masksearch.recipe.plan.dry_run import plan_run, render
from masksearch.recipe.preflight.check import preflight, report
from masksearch.recipe.run import run_recipe


def run_command(arguments: argparse.Namespace) -> None:
    """Runs `masksearch run`."""
    recipe = load_recipe(arguments.recipe, arguments.set)
    out = Path(arguments.out or Path("runs") / recipe.name)
    if not arguments.dry_run:
        run_recipe(recipe, out, arguments.until, arguments.only, arguments.prune)
        return
    check_inputs(recipe)
    plan = plan_run(recipe, out, arguments.until, arguments.only)
    print(render(plan))
    sys.stdout.flush()
    report(preflight(recipe, plan.timing.waiting, plan.folders))
    if plan.refusals:
        raise UsageError(plan.refusals[0])


def add_run_flags(run: argparse.ArgumentParser) -> None:
    """Adds the arguments of `masksearch run`."""
    run.add_argument("recipe", metavar="RECIPE", help="a file, or the name of a shipped recipe such as demo")
    run.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="another value for a key of the recipe, such as stages.sft.epochs=2",
    )
    run.add_argument("--out", metavar="DIR", help="folder of the run (default: runs/NAME)")
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="print what the run would do with each stage, and why; compute and write nothing",
    )
    run.add_argument(
        "--until",
        metavar="STAGE",
        action="append",
        default=[],
        help="run the stages up to and with this stage, in the recipe's order",
    )
    run.add_argument(
        "--only",
        metavar="STAGE",
        action="append",
        default=[],
        help="run this stage alone; the stages that it reads must be done (may be repeated)",
    )
    run.add_argument(
        "--prune",
        action="store_true",
        help="delete the work that the run replaces, and what earlier runs replaced, instead of keeping it "
        "in DIR/replaced",
    )
    run.set_defaults(function=run_command)
