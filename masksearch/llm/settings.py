"""Settings of the stage `model`."""

from __future__ import annotations

from masksearch.errors import UsageError
from masksearch.runtime.settings import Settings

ENDPOINTS = ("openai:", "openai-tools:")
"""Prefixes of the names of models behind an endpoint: with the tag protocol, or with native tool calls."""
DEFAULT_MODEL = "smollm2-135m"


def check_url(url: str, flag: str = "--llm") -> None:
    """Raises UsageError if a text is not an endpoint's URL; `flag` is the flag or setting that gave it."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"{flag} needs the base URL of an OpenAI-compatible endpoint "
            f"(such as http://127.0.0.1:8000/v1), not '{url}'."
        )


class ModelSettings(Settings):
    """Writes a model as a plain checkpoint folder."""

    basic = ("source",)

    source: str = DEFAULT_MODEL
    """The model: `smollm2-135m` (packaged), a checkpoint folder, or its name on a model hub."""
