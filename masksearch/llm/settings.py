"""Settings of the stage `model`."""

from __future__ import annotations

from masksearch.runtime.settings import Settings

ENDPOINTS = ("openai:", "openai-tools:")
"""How a model behind an endpoint is named: spoken to in our tags, or with native tool calls."""
DEFAULT_MODEL = "smollm2-135m"


class ModelSettings(Settings):
    """Makes a plain checkpoint folder of a model."""

    source: str = DEFAULT_MODEL
    """`smollm2-135m` (the packaged one), a checkpoint folder, or a model hub's name."""
