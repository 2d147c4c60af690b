"""References in settings to files, corpora, models and searches, and checks that their targets exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from masksearch.llm.settings import ENDPOINTS
from masksearch.runtime.own import is_own
from masksearch.runtime.settings import Settings, reference_values

MODELS = ("model", "ppl_model", "guess_model")
"""Fields that name a model: in a folder, behind an endpoint, or on a hub."""
QUESTIONS = ("questions",)
"""Fields that name questions: a file, a suite, or a data set of the hub."""
SEARCHED = ("index",)
"""Fields that name a search: an index folder, or a search service on the network."""
HUB_NAME = re.compile(r"([\w.-]+)/[\w.-]+")
NAMED_CORPORA = ("wiki-summaries", "hf")
"""Words before the first colon of a corpus that is not a path: `wiki-summaries` is the packaged text, `hf`
a data set of the model hub."""


def inputs(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (field, value) of every input of a stage: its references, and its corpus."""
    yield from reference_values(settings)
    corpus = getattr(settings, "corpus", "")
    if corpus and corpus_is_path(corpus):
        yield "corpus", corpus


def corpus_is_path(corpus: str) -> bool:
    """Whether a corpus is a file or folder, and not standard input, the packaged text or a hub's data set."""
    return corpus != "-" and corpus.partition(":")[0] not in NAMED_CORPORA


def locate(value: str, roots: Sequence[Path]) -> str:
    """Returns a relative path joined to the first root that contains it; any other text unchanged."""
    for root in roots:
        if value and (root / value).exists():
            return str(root / value)
    return value


def exists(field: str, value: str) -> bool:
    """Whether an input exists, as far as can be checked without loading it. A model need not be a path: it
    may also be behind an endpoint or on a hub."""
    if Path(value).exists():
        return True
    # Imported here, because every command imports this module and few ask these questions.
    if field in SEARCHED:
        from masksearch.search.remote import is_remote

        return is_remote(value) or is_own(value)
    if field in QUESTIONS:
        from masksearch.corpus.hub import PREFIX as HUB
        from masksearch.evaluation.suites.registry import suite_of

        return value.startswith(HUB) or bool(suite_of(value)[0])
    if field not in MODELS:
        return False
    if value.startswith(ENDPOINTS):
        return True
    hub = HUB_NAME.fullmatch(value)
    # A hub's name OWNER/NAME looks like a path. If a folder OWNER exists, the text counts as a path.
    return hub is not None and not Path(hub[1]).exists()
