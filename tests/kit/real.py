"""SmolLM2-135M as a checkpoint folder, unpacked once for all workers of a test run."""

from __future__ import annotations

from pathlib import Path

from kit.tiny import made_once


def real_checkpoint(base: Path) -> Path:
    """Returns the folder that `masksearch model` writes; `base` is the worker's temporary folder. A test only
    reads it."""
    return made_once(base, "smollm2-135m", _unpack)


def _unpack(folder: Path) -> None:
    from masksearch.cli.main import main

    assert main(["model", "smollm2-135m", "-o", str(folder)]) == 0
