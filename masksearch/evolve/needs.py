"""Needs of the stage `evolve`."""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.evolve.settings import EvolveSettings
from masksearch.runtime.needs import Made, Need
from masksearch.runtime.needs.packages import file_needs
from masksearch.scoring.needs import judge_needs
from masksearch.search.needs import search_needs
from masksearch.train.needs import training_needs


def evolve_needs(settings: EvolveSettings, made: Made) -> Iterator[Need]:
    """Yields the needs of self-evolution: of its SFT, its rollouts and its judge."""
    yield from training_needs(settings.sft, settings.model, made)
    for source in (*settings.trajectories, *settings.tasks, settings.heldout):
        if source and source not in made:
            yield from file_needs(source)
    yield from search_needs(settings.index, settings.search, made)
    yield from judge_needs(settings.judge)
