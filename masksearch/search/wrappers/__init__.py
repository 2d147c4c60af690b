"""Wrappers around a search back end, in this order from the inside:

limited (rate and concurrency), retrying (network failures), cached (on disk), recorded (for replay),
reranked (by a cross-encoder), noisy (deliberate noise)
"""

from __future__ import annotations

from masksearch.errors import UsageError
from masksearch.protocols import Searcher
from masksearch.search.settings import NoiseSettings, SearchSettings
from masksearch.search.wrappers.recorded import Replay

__all__ = ["Replay", "check", "wrapped"]


def check(settings: SearchSettings) -> None:
    """Raises UsageError for settings that contradict each other."""
    if settings.replay:
        for name in ("record", "cache"):
            if getattr(settings, name):
                raise UsageError(
                    f"search.replay answers from a record, so search.{name} would have no effect; leave "
                    "one of them out."
                )


def wrapped(searcher: Searcher, settings: SearchSettings, network: bool) -> Searcher:
    """Adds the wrappers that the settings ask for; returns the searcher unchanged if they ask for no wrapper.

    `network` marks a back end with temporary failures; only the searches of such a back end are retried.
    """
    if settings.rate or settings.concurrency:
        from masksearch.search.wrappers.limited import Limited

        searcher = Limited(searcher, settings.rate, settings.concurrency)
    if network and settings.retries:
        from masksearch.search.wrappers.retrying import Retrying

        searcher = Retrying(searcher, settings.retries)
    if settings.cache:
        from masksearch.search.wrappers.cached import Cached

        searcher = Cached(searcher, settings.cache)
    if settings.record:
        from masksearch.search.wrappers.recorded import Recorder

        searcher = Recorder(searcher, settings.record)
    if settings.rerank:
        from masksearch.search.wrappers.reranked import Reranked, load_cross_encoder

        scorer, name = load_cross_encoder(settings.rerank)
        searcher = Reranked(searcher, scorer, name, settings.rerank_depth)
    if settings.noise != NoiseSettings(seed=settings.noise.seed):
        from masksearch.search.wrappers.noisy import Noisy

        searcher = Noisy(searcher, settings.noise)
    return searcher
