"""Reranks the first results of a search with a cross-encoder, which reads query and passage together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from masksearch.errors import MissingExtraError, ModelError
from masksearch.protocols import Searcher
from masksearch.runtime.files import hash_file, hash_json
from masksearch.search.batching import in_thread
from masksearch.search.index.base import indexed_text
from masksearch.search.wrappers.base import Wrapper
from masksearch.text.display import encodable
from masksearch.types import Hit

Scorer = Callable[[list[tuple[str, str]]], Sequence[float]]
"""Maps pairs of a query and a passage's title and text to relevance scores."""
BATCH = 32
"""Number of pairs scored in one batch."""
DIGITS = 5
"""Decimal digits to which scores are rounded: the last bits depend on the other pairs of a batch, and the
ranking must not depend on them."""


class Reranked(Wrapper):
    """Reranks the first `depth` results (or k, if larger) by the scorer and returns the best k.

    Results with equal scores are ordered by passage id.
    """

    def __init__(self, inner: Searcher, scorer: Scorer, name: str, depth: int) -> None:
        super().__init__(inner)
        self.scorer, self.name, self.depth = scorer, name, depth

    @property
    def fingerprint(self) -> str:
        """The inner searcher's fingerprint and a hash of the scorer's name and the depth."""
        return f"{self.inner.fingerprint}-rerank-{hash_json([self.name, self.depth])[:8]}"

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Searches and reranks (see `Searcher.search`). The pairs of all queries are scored in one call."""
        found = self.inner.search(queries, max(k, self.depth)) if k > 0 else [[] for _ in queries]
        return self._order(queries, found, k)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Runs `search` for one query; the scorer runs in a thread."""
        if k < 1:
            return []
        found = await self.inner.asearch(query, max(k, self.depth))
        return (await in_thread(self._order, [query], [found], k))[0]

    def _order(self, queries: Sequence[str], found: Sequence[Sequence[Hit]], k: int) -> list[list[Hit]]:
        pairs = [
            (query, indexed_text(hit.passage))
            for query, hits in zip(queries, found, strict=True)
            for hit in hits
        ]
        scores = [round(float(score), DIGITS) for score in self.scorer(pairs)] if pairs else []
        bounds = pairwise(accumulate(map(len, found), initial=0))
        return [_best(hits, scores[low:high], k) for hits, (low, high) in zip(found, bounds, strict=True)]


def _best(hits: Sequence[Hit], scores: Sequence[float], k: int) -> list[Hit]:
    scored = [hit.model_copy(update={"score": score}) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: (-hit.score, hit.passage.id))[:k]


class CrossEncoderScorer:
    """A `Scorer` with a cross-encoder. It is pickled as the model's name.

    Calls are serialised: each of them uses all cores, and tokenizers are not safe to share between threads.
    """

    def __init__(self, model: str, encoder: Any, batch: int) -> None:
        self.model, self.batch = model, batch
        self._encoder, self._lock = encoder, threading.Lock()

    def __call__(self, pairs: list[tuple[str, str]]) -> Sequence[float]:
        import torch

        # A language model can generate half of a surrogate pair, which tokenizers reject.
        pairs = [(encodable(query), encodable(text)) for query, text in pairs]
        with self._lock:
            # The sigmoid is left out, because after it high scores would be equal to five digits.
            scores = self._encoder.predict(
                pairs, batch_size=self.batch, activation_fn=torch.nn.Identity(), show_progress_bar=False
            )
            return list(map(float, scores))

    def __reduce__(self) -> tuple[Any, ...]:
        return _reloaded, (self.model, self.batch)


def _reloaded(model: str, batch: int) -> Scorer:
    return load_cross_encoder(model, batch)[0]


def load_cross_encoder(model: str, batch: int = BATCH) -> tuple[Scorer, str]:
    """Loads a sentence-transformers cross-encoder; returns its scorer and its name with the revision.

    `model` is a folder or a model name on the hub. Raises ModelError if it cannot be loaded or is not a
    ranking model, MissingExtraError if sentence-transformers is not installed.
    """
    try:
        from sentence_transformers import CrossEncoder
        from transformers.utils.logging import disable_progress_bar
    except ModuleNotFoundError as error:
        raise MissingExtraError("sentence-transformers", "dense", "Reranking") from error
    disable_progress_bar()
    try:
        encoder = CrossEncoder(model)
    except Exception as error:  # damaged files raise the errors of several libraries
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"The cross-encoder '{model}' could not be loaded ({reason}); name a sentence-transformers "
            "folder or a model on the hub."
        ) from error
    if encoder.num_labels != 1:
        raise ModelError(
            f"The cross-encoder '{model}' gives {encoder.num_labels} numbers per pair, but reranking needs "
            "exactly one; name a model for ranking."
        )
    return CrossEncoderScorer(model, encoder, batch), f"{Path(model).name}-{_revision(model, encoder)}"


def _revision(model: str, encoder: Any) -> str:
    """Returns 12 hex digits that hash a folder's weights, or the commit of a model on the hub."""
    weights: list[Path] = []
    if Path(model).is_dir():
        weights = sorted([*Path(model).rglob("*.safetensors"), *Path(model).rglob("*.bin")])
    if weights:
        return hash_json([hash_file(path) for path in weights])[:12]
    return str(getattr(getattr(encoder.model, "config", None), "_commit_hash", None) or "unknown")
