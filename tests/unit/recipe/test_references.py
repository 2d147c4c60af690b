"""What a corpus's name stands for."""

import pytest

from masksearch.corpus import hub, packaged
from masksearch.recipe.references import NAMED_CORPORA, corpus_is_path, inputs
from masksearch.search.settings import IndexSettings


@pytest.mark.parametrize(
    "corpus", ["-", "wiki-summaries", "wiki-summaries:fr", "hf:wikimedia/wikipedia:20231101.fr@train"]
)
def test_named_corpora_are_no_paths(corpus):
    assert not corpus_is_path(corpus)
    assert list(inputs(IndexSettings(corpus=corpus))) == []


@pytest.mark.parametrize("corpus", ["docs.jsonl", "hf", "data/hf:x", "C:/docs"])
def test_anything_else_is_a_path(corpus):
    assert corpus_is_path(corpus) is (corpus != "hf")
    assert list(inputs(IndexSettings(corpus=corpus))) == ([("corpus", corpus)] if corpus != "hf" else [])


def test_the_names_are_those_the_corpus_room_knows():
    assert (packaged.PREFIX, hub.PREFIX.rstrip(":")) == NAMED_CORPORA
