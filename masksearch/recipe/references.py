"""What the values of settings name: files, corpora, models and searches, and whether they exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from masksearch.llm.settings import ENDPOINTS
from masksearch.runtime.settings import Settings, reference_values

MODELS = ("model", "ppl_model", "guess_model")
"""Fields that name a model, which may also be an endpoint's or a hub's."""
SEARCHED = ("index",)
"""Fields that name a search, which may also be over a network."""
NETWORK_SEARCH = ("http://", "https://", "web:", "wikipedia:")
"""Beginnings of the name of a search over a network."""
HUB_NAME = re.compile(r"([\w.-]+)/[\w.-]+")
NAMED_CORPORA = ("wiki-summaries", "hf")
"""Text before the first colon of a corpus that is no path: the packaged summaries, a hub's data set."""


def inputs(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (field, value) of everything a stage reads: its references, and its corpus."""
    yield from reference_values(settings)
    corpus = getattr(settings, "corpus", "")
    if corpus and corpus_is_path(corpus):
        yield "corpus", corpus


def corpus_is_path(corpus: str) -> bool:
    """Whether a corpus is a file or folder, and not standard input, the packaged text or a hub's data set."""
    return corpus != "-" and corpus.partition(":")[0] not in NAMED_CORPORA


def locate(value: str, roots: Sequence[Path]) -> str:
    """A relative path below the first root that has it; any other text unchanged."""
    for root in roots:
        if value and (root / value).exists():
            return str(root / value)
    return value


def exists(field: str, value: str) -> bool:
    """Whether an input exists, as far as that is known without loading it: models may also be an endpoint's
    or a hub's."""
    if Path(value).exists():
        return True
    if field in SEARCHED:
        return value.startswith(NETWORK_SEARCH)
    if field not in MODELS:
        return False
    if value.startswith(ENDPOINTS):
        return True
    hub = HUB_NAME.fullmatch(value)
    # OWNER/NAME looks like a path; where a folder with the first part's name exists, a path was meant.
    return hub is not None and not Path(hub[1]).exists()
