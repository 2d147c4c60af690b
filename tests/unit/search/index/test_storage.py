"""Passages on disk: written records, first rows of documents, pages by title."""

import json

import numpy as np
import pytest

from masksearch.search.index.storage import TEXTS, StoredPassages, document_starts, write_passages
from masksearch.types import Passage


def passage(name, document, **fields):
    return Passage(id=name, doc_id=document, title="T", text="Curie in Paris.", **fields)


PASSAGES = [
    passage("a#1", "a"),
    passage("a#2", "a", language="fr", links=((9, 14, "Paris"),)),
    passage("b", "b"),
    passage("c#1", "c"),
    passage("c#2", "c"),
]


def test_passages_come_back_and_defaults_are_not_written(tmp_path):
    write_passages(tmp_path, iter(PASSAGES))
    stored = StoredPassages(tmp_path)
    assert list(stored) == PASSAGES
    assert stored[1:3] == PASSAGES[1:3]
    rows = [json.loads(line) for line in (tmp_path / TEXTS).read_bytes().splitlines()]
    assert set(rows[0]) == {"id", "doc_id", "title", "text"}
    assert (rows[1]["language"], rows[1]["links"]) == ("fr", [[9, 14, "Paris"]])
    with pytest.raises(IndexError):
        stored[5]


def test_first_rows_of_documents(tmp_path):
    write_passages(tmp_path, PASSAGES)
    written = StoredPassages(tmp_path).document_starts
    assert written.tolist() == [0, 2, 3]
    assert written.dtype == np.int64
    assert document_starts(PASSAGES).tolist() == [0, 2, 3]
    assert document_starts([]).tolist() == []


def test_pages_are_found_by_their_original_and_neutralised_titles(tmp_path):
    passages = [
        Passage(id="a#1", doc_id="a", title="vector<int>", text="One."),
        Passage(id="a#2", doc_id="a", title="vector<int>", text="Two."),
        Passage(id="b", doc_id="b", title="Vector‹INT›", text="Of the same title."),
        Passage(id="c", doc_id="c", title="", text="Untitled."),
    ]
    write_passages(tmp_path, passages)
    for title in ("vector<int>", " VECTOR<INT> ", "vector‹int›"):
        page = StoredPassages(tmp_path).page(title)
        assert (page.doc_id, page.title, page.text) == ("a", "vector<int>", "One.\nTwo.")
    assert StoredPassages(tmp_path).page("") is None
    assert StoredPassages(tmp_path).page("vector") is None
