"""The work of `masksearch init`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from masksearch.errors import UsageError
from masksearch.recipe.load import load_recipe
from masksearch.recipe.start.estimate import Speed, memory_gigabytes, speed_here
from masksearch.recipe.start.sample import Tried, try_chains
from masksearch.recipe.start.settings import InitSettings
from masksearch.recipe.start.survey import Survey, described, survey
from masksearch.recipe.start.write import MAX_WORDS, Plan, plan, recipe_text
from masksearch.runtime.files import write_text
from masksearch.runtime.progress import say

FEW = 20
"""Number of documents below which no recipe is written."""


def init(source: str, output: str, settings: InitSettings) -> Path:
    """Surveys the documents, prints what it found, and writes a recipe; returns its path.

    Raises UsageError where the documents are too few, or the recipe's file exists; DataError where they
    cannot be read.
    """
    name = name_of(source)
    path = Path(output or f"{name}.toml")
    if path.exists():
        raise UsageError(f"{path} exists; move it away, or choose another file with -o.")
    if settings.questions and not Path(settings.questions).is_file():
        raise UsageError(f"There is no file {settings.questions} for --questions.")
    found, first = survey(source, settings.sample, settings.fields)
    for line in described(found):
        say(f"  {line}")
    if found.documents < FEW:
        raise UsageError(
            f"{source} holds {found.documents} documents; training needs {FEW} or more. To ask a trained "
            f"model about them: masksearch index {shlex.quote(source)} -o index, then masksearch "
            "ask index --model CHECKPOINT."
        )
    tried = try_chains(first, settings.language or found.language, MAX_WORDS, settings.seed)
    say(f"  {told(tried)}")
    speed = speed_here()
    sizes = plan(found, tried, speed.trajectories(settings.minutes))
    corpus = os.path.relpath(source, path.parent or ".") if Path(source).exists() else source
    write_text(path, recipe_text(name, corpus, found, sizes, settings))
    load_recipe(path)
    for line in estimated(found, sizes, speed):
        say(f"  {line}")
    say(f"Wrote {path}. Start it with: masksearch run {shlex.quote(str(path))}")
    return path


def name_of(source: str) -> str:
    """Returns a name for a recipe, from the last part of a path: letters, digits and hyphens."""
    stem = Path(source.partition("@")[0]).absolute().name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-").lower() or "documents"


def told(tried: Tried) -> str:
    """Returns what the sample gave, as a line."""
    if tried.reason:
        return f"questions of several steps: none, because {tried.reason.rstrip('.')}"
    many = f"{tried.questions:,} from {tried.documents:,} documents tried"
    return f"questions of several steps: {many}" + ("" if tried.chained else ", too few; masks alone")


def estimated(found: Survey, sizes: Plan, speed: Speed) -> list[str]:
    """Returns the estimate of time and memory, as lines."""
    trajectories = sizes.masked + sizes.questions
    training = trajectories * speed.seconds_per_trajectory / 60
    how = f"{speed.gflops:.0f} GFLOP/s, measured" if speed.measured else "a usual pair of cores"
    return [
        f"{trajectories:,} trajectories ({sizes.questions:,} questions, {sizes.masked:,} masked passages), "
        f"{sizes.heldout:,} passages held out",
        f"about {training + speed.other_minutes:.0f} minutes here ({how}), {training:.0f} of them training; "
        f"about {memory_gigabytes():.0f} GB of memory",
    ]
