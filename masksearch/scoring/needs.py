"""Needs of a judge."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.llm.needs import endpoint_needs
from masksearch.runtime.needs import Broken, Need
from masksearch.scoring.settings import JudgeSettings

KEYS = ("JUDGE_API_KEY", "OPENAI_API_KEY")
"""Environment variables of the judge's key; the first that is set counts."""


def judge_needs(settings: JudgeSettings, prefix: str = "judge") -> Iterator[Need]:
    """Yields the needs of the judge; none without a URL. `prefix` is the place of its settings."""
    if not settings.url:
        if settings.model:
            yield Broken(f"{prefix}.model has no effect without an endpoint; set {prefix}.url.")
        return
    names = (f"{prefix}.url", f"{prefix}.model")
    yield from endpoint_needs(settings.url, settings.model, "The judge", names, *KEYS)
