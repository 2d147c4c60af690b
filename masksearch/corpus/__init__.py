"""Text in: documents from files or packages, cut into passages at sentence ends (the paper takes paragraphs of Wikipedia).

for document in read_documents("docs.jsonl.gz"):  # or a dump, Parquet, a folder, hf:OWNER/NAME (see reading.py)
    passages = cut(document, max_words=60)
"""

from __future__ import annotations

from masksearch.corpus.passages import corpus_hash, cut, cut_all
from masksearch.corpus.readers import SkipCount, read_documents
from masksearch.corpus.split import Side, normal_title, side_of
from masksearch.text.sentences import sentence_spans

__all__ = [
    "Side",
    "SkipCount",
    "corpus_hash",
    "cut",
    "cut_all",
    "normal_title",
    "read_documents",
    "sentence_spans",
    "side_of",
]
