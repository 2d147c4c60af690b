"""Experiment trackers: they get the metrics of a training run, in addition to its log.

transformers' callbacks import a tracker's package, and only if the settings name the tracker.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.train.settings import TrackerName

PROJECT = "masksearch"


def installed(name: str) -> bool:
    """Whether a tracker's package is installed."""
    modules = ("tensorboard", "tensorboardX") if name == "tensorboard" else (name,)
    return any(importlib.util.find_spec(module) is not None for module in modules)


def chosen(trackers: Sequence[TrackerName]) -> list[str]:
    """Returns the trackers' names, with `auto` resolved. Raises UsageError for a tracker that is not
    installed."""
    found = []
    for name in dict.fromkeys(trackers):
        if name == "none":
            continue
        if name == "auto":
            if installed("trackio"):
                found.append("trackio")
        elif installed(name):
            found.append(name)
        else:
            raise UsageError(
                f"The tracker {name} is not installed; install it with: pip install {name}, "
                "or leave it out of trackers."
            )
    return list(dict.fromkeys(found))


def tracking(trackers: Sequence[TrackerName], work: Path) -> dict[str, Any]:
    """Returns the tracker arguments of a trainer's configuration.

    A resumed run has the same run name, so that the tracker continues its curves.
    """
    # transformers' own TensorBoard callback is replaced, see `tracking_callbacks`.
    names = [name for name in chosen(trackers) if name != "tensorboard"]
    return {
        "report_to": names,
        "project": PROJECT,
        "run_name": run_name(work),
        # Otherwise trackio would copy the metrics to the hub whenever the trainer pushes.
        "trackio_static_space_id": False,
    }


def tracking_callbacks(trackers: Sequence[TrackerName], work: Path) -> list[Any]:
    """Returns TensorBoard's callback, if chosen, with its files in the work folder.

    By default it writes into the folder of the saved states, which is removed at the end.
    """
    if "tensorboard" not in chosen(trackers):
        return []
    from transformers.integrations import TensorBoardCallback

    callback = TensorBoardCallback()
    callback.logging_dir = str(work / "tensorboard")
    return [callback]


def run_name(work: Path) -> str:
    """Returns `RUN/NAME` for the folder `RUN/stages/NAME`, and the folder's name for any other folder."""
    resolved = work.resolve()
    if resolved.parent.name == "stages":
        return f"{resolved.parents[1].name}/{resolved.name}"
    return resolved.name
