"""Notes: sentences for the user about a question, a search and a model that may not fit each other.

A note is no error: the question is asked all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from masksearch.agent.watch import Event, Showed
from masksearch.llm.checkpoint import checkpoint_retrievers
from masksearch.llm.settings import ENDPOINTS
from masksearch.protocols import Searcher
from masksearch.search.index.manifest import index_part
from masksearch.search.settings import IndexSettings
from masksearch.search.wrappers.base import Wrapper
from masksearch.types import Trajectory

NOTHING_FOUND = (
    "No search found anything: the documents may have none of these words, or be in another language."
)


@runtime_checkable
class WordIndex(Protocol):
    """An index of words."""

    @property
    def settings(self) -> IndexSettings:
        """The settings of the index's build."""

    def knows(self, text: str) -> bool:
        """Whether a word of the text, other than stop words, is in any passage."""


def index_note(model: str, searcher: Searcher) -> str:
    """Returns a sentence if a checkpoint learnt with other indexes than the one that is searched.

    Empty for a checkpoint that does not record its searches, and for searches without an index.
    """
    if model.startswith(ENDPOINTS):
        return ""
    learnt = sorted({index_part(retriever) for retriever in checkpoint_retrievers(model)} - {""})
    here = index_part(searcher.fingerprint) if learnt else ""
    if not here or here in learnt:
        return ""
    more = f" and {len(learnt) - 1} more" if len(learnt) > 1 else ""
    return (
        f"The model was trained with the index {learnt[0]}{more}, but this index is {here} (other documents, "
        "another kind or other settings), so its answers may be worse."
    )


def words_note(question: str, searcher: Searcher) -> str:
    """Returns a sentence if an index of words has no word of the question; empty for other searches."""
    while isinstance(searcher, Wrapper):
        searcher = searcher.inner
    if not isinstance(searcher, WordIndex) or searcher.knows(question):
        return ""
    return (
        f"The index has no word of this question (its language is '{searcher.settings.language}'), so the "
        "searches may find nothing; ask in the language of the documents."
    )


def nothing_note(trajectory: Trajectory, events: Sequence[Event]) -> str:
    """Returns a sentence if all searches of an episode worked, and none found anything."""
    shown = any(event.hits for event in events if isinstance(event, Showed))
    empty = trajectory.usage.searches and not (shown or trajectory.usage.opens or trajectory.search_errors)
    return NOTHING_FOUND if empty else ""
