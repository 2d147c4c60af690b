"""Reads documents from files or packages and cuts them into passages at sentence ends.

The paper uses paragraphs of Wikipedia instead of such passages.

    for document in read_documents("docs.jsonl.gz"):  # or another source, see readers.py
        passages = cut(document, max_words=60)
"""

from __future__ import annotations

from masksearch.corpus.passages import corpus_hash, cut, cut_all
from masksearch.corpus.readers import SkipCount, read_documents
from masksearch.corpus.split import Side, document_side, names_article, side_of
from masksearch.corpus.titles import normal_title

__all__ = [
    "Side",
    "SkipCount",
    "corpus_hash",
    "cut",
    "cut_all",
    "document_side",
    "names_article",
    "normal_title",
    "read_documents",
    "side_of",
]
