"""Experiment trackers (trackio, wandb, tensorboard), which get the metrics of a training run besides its log.

This module imports no tracker. The callbacks of transformers import a tracker's package, and only for the
trackers in the settings.
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
    """Returns the names of the trackers to use: `auto` becomes trackio if it is installed, `none` is dropped.

    Raises UsageError for a tracker that is not installed.
    """
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
    """Returns the arguments about trackers for a trainer's configuration.

    The run name depends only on the work folder, so that a resumed run continues the tracker's curves.
    """
    # transformers would add its TensorBoard callback, which `tracking_callbacks` replaces.
    names = [name for name in chosen(trackers) if name != "tensorboard"]
    return {
        "report_to": names,
        "project": PROJECT,
        "run_name": run_name(work),
        # Without this trackio would copy the metrics to the hub whenever the trainer pushes a model.
        "trackio_static_space_id": False,
    }


def tracking_callbacks(trackers: Sequence[TrackerName], work: Path) -> list[Any]:
    """Returns a TensorBoard callback that writes into the work folder, if the settings choose TensorBoard.

    By default the callback would write into the folder of the saved states, which is removed at the end.
    """
    if "tensorboard" not in chosen(trackers):
        return []
    from transformers.integrations import TensorBoardCallback

    callback = TensorBoardCallback()
    callback.logging_dir = str(work / "tensorboard")
    return [callback]


def run_name(work: Path) -> str:
    """Returns the tracker's run name: `RUN/NAME` for a folder `RUN/stages/NAME`, else the folder's name."""
    resolved = work.resolve()
    if resolved.parent.name == "stages":
        return f"{resolved.parents[1].name}/{resolved.name}"
    return resolved.name
