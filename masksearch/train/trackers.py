"""Trackers: where the figures of a training go besides its log. Each is loaded only where it is asked for, by transformers' own callbacks."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masksearch.errors import UsageError
from masksearch.train.settings import TrackerName

PROJECT = "masksearch"


def installed(name: str) -> bool:
    """Whether a tracker can be loaded."""
    wanted = ("tensorboard", "tensorboardX") if name == "tensorboard" else (name,)
    return any(importlib.util.find_spec(module) is not None for module in wanted)


def chosen(trackers: Sequence[TrackerName]) -> list[str]:
    """The trackers' names, `auto` resolved. Raises UsageError for one that is not installed."""
    found = []
    for name in dict.fromkeys(trackers):
        if name == "none":
            continue
        if name != "auto" and not installed(name):
            raise UsageError(
                f"The tracker {name} is not installed; install it with: pip install {name}, or leave it out of trackers."
            )
        if name != "auto" or installed("trackio"):
            found.append("trackio" if name == "auto" else name)
    return list(dict.fromkeys(found))


def tracking(trackers: Sequence[TrackerName], work: Path) -> dict[str, Any]:
    """The arguments of a trainer's configuration. A resumed run has the same name, so that its figures go on where they stopped."""
    names = [name for name in chosen(trackers) if name != "tensorboard"]
    # trackio would otherwise lay a copy of the figures at the hub, if the trainer ever pushed.
    return {
        "report_to": names,
        "project": PROJECT,
        "run_name": run_name(work),
        "trackio_static_space_id": False,
    }


def tracking_callbacks(trackers: Sequence[TrackerName], work: Path) -> list[Any]:
    """TensorBoard's callback, which would otherwise write where the states are, which are removed in the end."""
    if "tensorboard" not in chosen(trackers):
        return []
    from transformers.integrations import TensorBoardCallback

    callback = TensorBoardCallback()
    callback.logging_dir = str(work / "tensorboard")
    return [callback]


def run_name(work: Path) -> str:
    """`RUN/stages/NAME` -> `RUN/NAME`; another folder's own name."""
    resolved = work.resolve()
    return (
        f"{resolved.parents[1].name}/{resolved.name}" if resolved.parent.name == "stages" else resolved.name
    )
