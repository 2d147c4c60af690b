"""Settings of the stage `model`."""

from __future__ import annotations

from masksearch.runtime.settings import Settings

ENDPOINTS = ("openai:", "openai-tools:")
"""Prefixes of the names of models behind an endpoint: with the tag protocol, or with native tool calls."""
DEFAULT_MODEL = "smollm2-135m"


class ModelSettings(Settings):
    """Writes a model as a plain checkpoint folder."""

    basic = ("source",)

    source: str = DEFAULT_MODEL
    """The model: `smollm2-135m` (packaged), a checkpoint folder, or its name on a model hub."""
