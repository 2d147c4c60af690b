"""BM25: ranking, ties, saving and loading, damaged folders, compiled and uncompiled scoring."""

import asyncio
import json
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch.errors import DataError, SearchError
from masksearch.protocols import Searcher
from masksearch.search import Bm25Searcher, build, build_index, load
from masksearch.search.index import bm25
from masksearch.search.index.kernel import best_rows
from masksearch.search.open import describe, open_searcher
from masksearch.search.settings import IndexSettings
from masksearch.text.terms import highlight
from masksearch.types import Passage


def passage(name, title, text):
    return Passage(id=name, doc_id=name, title=title, text=text)


PASSAGES = [
    passage("z", "Marie Curie", "Marie Curie discovered radium and polonium in Paris."),
    passage("b", "Radium", "Radium is a chemical element."),
    passage("a", "Pelé", "The footballer played for Santos."),
    passage("t2", "Twin", "Exactly the same words."),
    passage("t1", "Twin", "Exactly the same words."),
    passage("s", "The", "It is in a."),
]


@pytest.fixture
def searcher():
    return Bm25Searcher.in_memory(PASSAGES)


def ids(searcher, query, k=10):
    return [hit.passage.id for hit in searcher.search([query], k)[0]]


def test_ranks_by_title_and_text(searcher):
    assert isinstance(searcher, Searcher)
    assert ids(searcher, "Who discovered radium?") == ["z", "b"]
    assert ids(searcher, "pele santos") == ["a"]
    assert ids(searcher, "elements") == ["b"]


def test_score_is_the_lucene_formula(searcher):
    hit = searcher.search(["polonium"], 1)[0][0]
    # Terms per passage, without stop words. The last passage has only stop words and counts as one term.
    lengths = [8, 4, 4, 4, 4, 1]
    idf = math.log(1 + (6 - 1 + 0.5) / (1 + 0.5))
    assert hit.score == pytest.approx(
        idf / (1 + 1.5 * (1 - 0.75 + 0.75 * lengths[0] / (sum(lengths) / 6))), rel=1e-3
    )


def test_ties_are_ordered_by_id_and_k_only_cuts(searcher):
    assert ids(searcher, "exactly same") == ["t1", "t2"]
    assert ids(searcher, "exactly same", 1) == ["t1"]
    assert ids(searcher, "exactly same", 10**6) == ["t1", "t2"]


@pytest.mark.parametrize("query", ["", "   ", "the of and", "?!", "unheard-of zzz"])
def test_nothing_for_queries_without_content(searcher, query):
    assert searcher.search([query], 5) == [[]] or "unheard" in query
    assert searcher.search(["radium"], 0) == [[]]
    assert searcher.search([], 5) == []


def test_saved_index_answers_like_the_one_in_memory(tmp_path, searcher):
    manifest = build(PASSAGES, tmp_path / "index", IndexSettings(corpus="x.jsonl"))
    loaded = load(tmp_path / "index")
    queries = ["radium", "exactly same words", "curie paris", ""]
    assert loaded.search(queries, 3) == searcher.search(queries, 3)
    assert loaded.fingerprint == searcher.fingerprint == manifest["fingerprint"]
    assert list(loaded.passages) == PASSAGES
    assert pickle.loads(pickle.dumps(loaded)).search(queries, 3) == loaded.search(queries, 3)
    assert asyncio.run(loaded.asearch("radium", 2)) == loaded.search(["radium"], 2)[0]
    with ThreadPoolExecutor(8) as pool:
        assert all(
            found == loaded.search(queries, 3)
            for found in pool.map(lambda _: loaded.search(queries, 3), range(100))
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_fingerprint_depends_on_text_and_language_not_on_the_path(searcher):
    prints = [
        searcher.fingerprint,
        Bm25Searcher.in_memory(PASSAGES[:-1]).fingerprint,
        Bm25Searcher.in_memory(PASSAGES, IndexSettings(language="fr")).fingerprint,
    ]
    assert len(set(prints)) == 3
    assert (
        Bm25Searcher.in_memory(PASSAGES, IndexSettings(corpus="elsewhere.jsonl")).fingerprint
        == searcher.fingerprint
    )


def test_other_languages():
    french = Bm25Searcher.in_memory(
        [passage("1", "Chat", "L'animal mange des souris."), passage("2", "Chien", "Il aboie.")],
        IndexSettings(language="fr"),
    )
    assert ids(french, "les animaux d'ici mangent") == ["1"]
    spanish = Bm25Searcher.in_memory(
        [passage("1", "Canción", "Las canciones populares."), passage("2", "Perro", "Ladra.")],
        IndexSettings(language="es"),
    )
    assert ids(spanish, "la canción popular") == ["1"]


def test_the_folder_of_a_stage_stands_for_the_index_in_it(tmp_path):
    manifest = build(PASSAGES, tmp_path / "hotpot-index" / "index", IndexSettings(corpus="x.jsonl"))
    stage = str(tmp_path / "hotpot-index")
    assert open_searcher(stage).fingerprint == manifest["fingerprint"]
    assert describe(stage)["fingerprint"] == manifest["fingerprint"]


def test_a_folder_without_an_index(tmp_path):
    with pytest.raises(SearchError, match="is not an index folder"):
        load(tmp_path)
    with pytest.raises(SearchError, match="is not an index folder"):
        load(tmp_path / "none")
    with pytest.raises(DataError, match="nothing to index"):
        build([], tmp_path / "index", IndexSettings())


def test_damage_is_reported_in_one_sentence(tmp_path):
    folder = tmp_path / "index"
    build(PASSAGES, folder, IndexSettings())
    names = [path.name for path in folder.iterdir() if path.name != "masksearch.json"]
    assert len(names) == 13
    for name in names:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-3])
        with pytest.raises(SearchError, match="build it again"):
            load(folder)
        (folder / name).unlink()
        with pytest.raises(SearchError, match="build it again"):
            load(folder)
        (folder / name).write_bytes(whole)
    load(folder)
    manifest = json.loads((folder / "masksearch.json").read_text())
    (folder / "masksearch.json").write_text(json.dumps({**manifest, "format": "masksearch-index/9"}))
    with pytest.raises(SearchError, match="masksearch-index/9"):
        load(folder)
    (folder / "masksearch.json").write_text("{")
    with pytest.raises(SearchError, match="damaged"):
        load(folder)


def test_build_index_stage(tmp_path):
    corpus = tmp_path / "c.jsonl"
    corpus.write_text(
        "".join(json.dumps({"id": p.id, "title": p.title, "text": p.text}) + "\n" for p in PASSAGES)
        + "broken\n"
    )
    summary = build_index(IndexSettings(corpus=str(corpus), limit=3), tmp_path / "index", tmp_path)
    assert (summary["documents"], summary["passages"]) == (3, 3)
    summary = build_index(IndexSettings(corpus=str(corpus)), tmp_path / "index", tmp_path)
    assert (summary["documents"], summary["skipped"]) == (6, {"not valid JSON": 1})
    assert load(tmp_path / "index").settings.corpus == str(corpus)


def test_highlight():
    assert (
        highlight("Radium was discovered.", "discovering radium", before="<", after=">")
        == "<Radium> was <discovered>."
    )


def plain_search(searcher, query, k):
    """Ranks by the definition: scores every passage, term by term, then sorts."""
    known = sorted(searcher._vocabulary.known(set(searcher._tokeniser.terms(query))))
    totals = np.zeros(len(searcher.passages), dtype=np.float32)
    for term in known:
        column = slice(searcher._columns[term], searcher._columns[term + 1])
        totals[searcher._rows[column]] += searcher._scores[column]
    rows = sorted(
        np.flatnonzero(totals > 0).tolist(), key=lambda row: (-totals[row], searcher.passages[row].id)
    )
    return [(searcher.passages[row].id, float(totals[row])) for row in rows[:k]]


WORDS = st.sampled_from("radium polonium curie paris element chemical the of a rare word twin".split())  # noqa: SIM905
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


@settings(deadline=None, max_examples=40)
@given(st.lists(TEXTS, min_size=1, max_size=25), st.lists(TEXTS, max_size=6), st.integers(0, 30))
def test_same_rankings_and_scores_as_the_plain_definition(texts, queries, k):
    searcher = Bm25Searcher.in_memory(
        [passage(f"{(number * 7) % 25}-{number}", "", text) for number, text in enumerate(texts)]
    )
    for query in [*queries, *queries]:  # twice, because a query must not change the next one
        assert [(hit.passage.id, hit.score) for hit in searcher.search([query], k)[0]] == plain_search(
            searcher, query, k
        )


def test_document_frequency_is_that_of_the_rarest_term(searcher):
    assert searcher.document_frequency("radium") == 2
    assert searcher.document_frequency("Radium discovered") == 1
    assert searcher.document_frequency("exactly the same words") == 2
    assert [searcher.document_frequency(text) for text in ("", "the", "unheard", "radium unheard")] == [
        0,
        0,
        0,
        0,
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["radium", "paris", "king", "river", "lake"]), max_size=6),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 50),
    st.data(),
)
@pytest.mark.slow
def test_compiled_code_finds_the_same_rows_and_bits(texts, k, data):
    passages = [
        passage(f"p{(number * 7) % 40:02d}", "", " ".join(words)) for number, words in enumerate(texts)
    ]
    searcher = Bm25Searcher.in_memory(passages)
    queries = data.draw(
        st.lists(
            st.sampled_from(
                ["radium", "paris king", "king river lake", "radium paris king river lake", "unheard"]
            ),
            max_size=4,
        )
    )
    expected = searcher.rank(queries, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "COMPILED_FROM", 0)
        patch.setattr(bm25, "COMPILED_SHARE", 0)
        assert searcher.rank(queries, k) == expected
        patch.setattr(bm25, "TOGETHER", 2)  # in threads
        assert searcher.rank(queries, k) == expected
        patch.setattr(bm25, "compiled", lambda: best_rows)  # and as plain Python
        assert searcher.rank(queries, k) == expected
        patch.setattr(bm25, "compiled", lambda: None)  # and by numpy, as without numba
        assert searcher.rank(queries, k) == expected
    assert searcher.rank(queries, k) == expected


WITHOUT_NUMBA = """
import json, sys
if sys.argv[2] == "blocked":
    sys.modules["numba"] = None  # importing numba now raises ModuleNotFoundError
from masksearch.search import build, load
from masksearch.search.index import bm25
from masksearch.search.index.kernel import compiled
from masksearch.search.settings import IndexSettings
from masksearch.types import Passage

bm25.COMPILED_FROM, bm25.TOGETHER = 0, 2
words = "radium paris king river lake".split()
passages = [
    Passage(id=f"p{(n * 7) % 50}", doc_id=str(n), title=words[n % 5], text=" ".join(words[: n % 4 + 1]))
    for n in range(50)
]
manifest = build(passages, sys.argv[1], IndexSettings(corpus="x"))
ranked = load(sys.argv[1]).rank(["radium", "king river", "paris lake king"], 20)
print(json.dumps([compiled() is None, manifest["fingerprint"], ranked]))
"""


@pytest.mark.slow
def test_the_index_is_the_same_without_numba(tmp_path):
    pytest.importorskip("numba")
    (compiled, *expected), (missing, *found) = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", WITHOUT_NUMBA, str(tmp_path / state), state],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for state in ("installed", "blocked")
    )
    assert (compiled, missing) == (False, True)
    assert found == expected
    names = sorted(path.name for path in (tmp_path / "installed").iterdir() if path.suffix == ".npy")
    assert names
    for name in names:
        assert (tmp_path / "blocked" / name).read_bytes() == (tmp_path / "installed" / name).read_bytes()
