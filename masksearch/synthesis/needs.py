"""Needs of the stage `synthesize`."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.llm.needs import endpoint_needs
from masksearch.runtime.needs import Made, Need
from masksearch.runtime.needs.packages import Package, file_needs
from masksearch.search.needs import search_needs
from masksearch.synthesis.settings import SynthesizeSettings

ROLES = ("planner", "rewriter", "observer", "judge")


def synthesize_needs(settings: SynthesizeSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of rolling out the teacher."""
    if settings.tasks not in made:
        yield from file_needs(settings.tasks)
    yield from search_needs(settings.index, settings.search, made)
    if settings.teacher != "agents":
        return
    for name in ROLES:
        role = getattr(settings.agents, name)
        places = (
            f"agents.{name}.llm" if role.llm else "llm",
            f"agents.{name}.model" if role.model else "model",
        )
        url, model = role.llm or settings.llm, role.model or settings.model
        yield from endpoint_needs(url, model, "The teacher 'agents'", places)
    if settings.engine == "ray":
        yield Package("ray", "The engine 'ray'")
