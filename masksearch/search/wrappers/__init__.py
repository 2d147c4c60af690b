"""What may stand between the agent and a back end, in this order from the inside:

limited (so many a second), retrying (over a network), cached (on disk), recorded (as a fixture), reranked, noisy (worse on purpose)
"""

from __future__ import annotations

from masksearch.errors import UsageError
from masksearch.protocols import Searcher
from masksearch.search.settings import NoiseSettings, SearchSettings
from masksearch.search.wrappers.recorded import Replay

__all__ = ["Replay", "check", "wrapped"]


def check(settings: SearchSettings) -> None:
    """Raises UsageError for settings that do not go together."""
    if settings.replay:
        for name in ("record", "cache"):
            if getattr(settings, name):
                raise UsageError(
                    f"search.replay answers from a record, and search.{name} would have no effect beside it; leave one of them out."
                )


def wrapped(searcher: Searcher, settings: SearchSettings, network: bool) -> Searcher:
    """The searcher with what the settings put round it; itself where they put nothing. `network`: failures may pass, and are tried again."""
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
