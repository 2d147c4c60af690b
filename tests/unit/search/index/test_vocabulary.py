"""Vocabularies number terms in order of appearance, over any number of runs, and find them by hash."""

import json
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.search.index.vocabulary import GrowingVocabulary, Vocabulary, term_hashes

TERMS = st.lists(st.text(max_size=6), max_size=20, unique=True)


def test_hashes_are_eight_bytes_of_blake2b_little_end_first():
    assert term_hashes(["radium", ""]).tolist() == [
        int.from_bytes(blake2b(term, digest_size=8).digest(), "little") for term in (b"radium", b"")
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(TERMS, max_size=6), TERMS)
def test_the_same_numbers_as_a_dictionary(tmp_path_factory, runs, others):
    folder = tmp_path_factory.mktemp("terms")
    growing, plain = GrowingVocabulary(folder), {}
    for run in runs:
        numbers = growing.add(run)
        assert numbers.dtype == np.int32
        assert numbers.tolist() == [plain.setdefault(term, len(plain)) for term in run]
    growing.terms.save(folder)
    for vocabulary in (growing.terms, Vocabulary.load(folder), Vocabulary.of(plain)):
        assert len(vocabulary) == len(plain)
        assert vocabulary.known([*plain, *others]) == [
            *plain.values(),
            *(plain[term] for term in others if term in plain),
        ]
        assert (np.diff(vocabulary.hashes.astype(object)) > 0).all()
    if plain:
        growing.write_json(folder / "vocabulary.json")
        assert json.loads((folder / "vocabulary.json").read_text("ascii")) == plain


def test_files_that_do_not_fit_together(tmp_path):
    Vocabulary.of(["one", "two"]).save(tmp_path)
    np.save(tmp_path / "terms.hashes.npy", np.zeros(3, dtype=np.uint64))
    with pytest.raises(ValueError, match="have different lengths"):
        Vocabulary.load(tmp_path)
