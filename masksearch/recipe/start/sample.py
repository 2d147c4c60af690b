"""Tries on a sample what the documents allow: questions of several steps, or masked passages alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.corpus.passages import cut
from masksearch.errors import MissingExtraError
from masksearch.types import Document

ENOUGH = 0.5
"""Number of questions per parsed document from which chained tasks are worth their time."""


@dataclass(frozen=True)
class Tried:
    """What a sample gave."""

    documents: int
    questions: int
    """Number of questions that the sample's facts allow, of any number of steps."""
    reason: str = ""
    """Why nothing was tried; empty if it was."""

    @property
    def chained(self) -> bool:
        """Whether chained tasks can be made."""
        return not self.reason and self.questions >= ENOUGH * self.documents


def try_chains(documents: Sequence[Document], language: str, max_words: int, seed: int) -> Tried:
    """Parses a sample and counts the questions that its facts allow."""
    if language != "en":
        return Tried(0, 0, f"questions are made from English parses, and most documents are in '{language}'")
    try:
        from masksearch.ramp.spans.entities import load_parser

        nlp = load_parser()
    except MissingExtraError as error:
        return Tried(0, 0, str(error))
    from masksearch.ramp.chains.book.book import Book
    from masksearch.ramp.chains.reading.reader import read_documents
    from masksearch.ramp.chains.shapes import SHAPES

    passages = [cut(document, max_words) for document in documents]
    rows = read_documents([row for row in passages if row], nlp)
    book = Book([fact for facts in rows for fact in facts], {document.title for document in documents})
    count = sum(1 for hops, make in SHAPES.values() for _ in make(book, seed, min(2, max(hops))))
    return Tried(len(documents), count)
