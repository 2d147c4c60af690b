"""Dense search: exact cosines, ties, all FAISS indexes, resumed builds. Hybrid search: rank fusion."""

import asyncio
import json
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from kit.dense_fakes import save_tiny_encoder

from masksearch.errors import DataError, ModelError, SearchError
from masksearch.protocols import PageReader, Searcher
from masksearch.search import build, load
from masksearch.search.index.encoder import Encoder
from masksearch.search.index.hybrid import fuse
from masksearch.search.settings import DenseSettings, IndexSettings
from masksearch.types import Passage

pytestmark = pytest.mark.slow

TEXTS = {
    "z": ("Marie Curie", "marie curie discovered radium in paris"),
    "b": ("Radium", "radium is a chemical element"),
    "a": ("Pele", "the footballer santos"),
    "t2": ("Cat", "the cat sat on a mat"),
    "t1": ("Cat", "the cat sat on a mat"),
    "p": ("Paris", "paris is the capital of france"),
}
PASSAGES = [Passage(id=name, doc_id=name, title=title, text=text) for name, (title, text) in TEXTS.items()]
QUERIES = ["who discovered radium", "capital of france", "the cat", "footballer"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


def settings_for(encoder, kind="dense", **dense):
    return IndexSettings(corpus="x.jsonl", kind=kind, dense=DenseSettings(encoder=encoder, **dense))


def cosines(encoder, query, prompt="", passage_prompt=""):
    model = Encoder(DenseSettings(encoder=encoder, query_prompt=prompt, passage_prompt=passage_prompt))
    passages = model.passages([f"{title}\n{text}" for title, text in TEXTS.values()])  # (passages, dimension)
    found = passages @ model.queries([query])[0]  # (passages,)
    return dict(zip(TEXTS, found.tolist(), strict=True))


def test_ranks_by_the_cosine_and_ties_by_id(tmp_path, encoder):
    build(PASSAGES, tmp_path / "index", settings_for(encoder, precision="float32"))
    searcher = load(tmp_path / "index")
    assert isinstance(searcher, Searcher)
    assert isinstance(searcher, PageReader)
    assert searcher.fingerprint.startswith("dense-")
    for query in QUERIES:
        expected = cosines(encoder, query)
        hits = searcher.search([query], 6)[0]
        assert [hit.passage.id for hit in hits] == sorted(
            expected, key=lambda name: (-round(expected[name], 5), name)
        )
        assert [hit.score for hit in hits] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-4)
        assert searcher.search([query], 3)[0] == hits[:3]
    ids = [hit.passage.id for hit in searcher.search(["the cat"], 6)[0]]
    assert ids.index("t1") + 1 == ids.index("t2")


def test_a_batch_and_single_queries_and_threads_find_the_same(tmp_path, encoder):
    build(PASSAGES, tmp_path / "index", settings_for(encoder))
    searcher = load(tmp_path / "index")
    together = searcher.search(QUERIES, 3)
    assert [searcher.search([query], 3)[0] for query in QUERIES] == together

    async def all_at_once():
        return await asyncio.gather(*(searcher.asearch(query, 3) for query in QUERIES))

    assert asyncio.run(all_at_once()) == together
    assert asyncio.run(all_at_once()) == together  # on another event loop
    assert pickle.loads(pickle.dumps(searcher)).search(QUERIES, 3) == together


@pytest.mark.parametrize("vectors", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_every_kind_of_index_finds_the_passage_itself(tmp_path, encoder, vectors, precision):
    many = [
        Passage(id=f"n{number}", doc_id=f"n{number}", title=" ".join(words), text="")
        for number, words in enumerate(_combinations(200))
    ]
    build(
        many,
        tmp_path / "index",
        settings_for(encoder, vectors=vectors, precision=precision, nprobe=50, shard=64),
    )
    searcher = load(tmp_path / "index")
    right = [
        hits[0].passage.title == passage.title
        for passage, hits in zip(many, searcher.search([passage.title for passage in many], 1), strict=True)
    ]
    assert np.mean(right) > (0.7 if precision == "int8" else 0.95)


def _combinations(count):
    from kit.dense_fakes import WORDS

    words = WORDS.split()
    return [
        [words[number % 19], words[number % 17], words[number % 7], words[(number * 3) % 13]]
        for number in range(count)
    ]


@pytest.mark.parametrize("query", ["", "  ", "\n"])
def test_a_blank_query_finds_nothing(tmp_path, encoder, query):
    build(PASSAGES, tmp_path / "index", settings_for(encoder))
    searcher = load(tmp_path / "index")
    assert searcher.search([query, "radium"], 2)[0] == []
    assert len(searcher.search([query, "radium"], 2)[1]) == 2
    assert searcher.search(["radium"], 0) == [[]]
    assert len(searcher.search(["radium"], 10_000)[0]) == len(PASSAGES)


def test_prompts_count_and_are_part_of_the_fingerprint(tmp_path, encoder):
    plain = build(PASSAGES, tmp_path / "plain", settings_for(encoder))
    prompted = build(
        PASSAGES,
        tmp_path / "prompted",
        settings_for(encoder, query_prompt="query : ", passage_prompt="passage : ", precision="float32"),
    )
    other = build(PASSAGES, tmp_path / "other", settings_for(save_tiny_encoder(tmp_path / "tiny", seed=1)))
    assert len({plain["fingerprint"], prompted["fingerprint"], other["fingerprint"]}) == 3
    assert plain["depends_on"]["revision"] == Encoder(DenseSettings(encoder=encoder)).revision
    hits = load(tmp_path / "prompted").search(["radium"], 6)[0]
    expected = cosines(encoder, "radium", "query : ", "passage : ")
    assert {hit.passage.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-4)


def test_an_interrupted_build_reuses_its_shards(tmp_path, encoder, monkeypatch):
    calls = []
    encode = Encoder.passages

    def failing(self, texts):
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(self, texts)

    monkeypatch.setattr(Encoder, "passages", failing)
    wanted, work = settings_for(encoder, shard=2), tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        build(PASSAGES, tmp_path / "index", wanted, work)
    assert not (tmp_path / "index").exists()
    assert sorted(path.name for path in (work / "vectors").glob("*.npy")) == ["000000.npy", "000001.npy"]
    manifest = build(PASSAGES, tmp_path / "index", wanted, work)
    assert calls == [2, 2, 2, 2]
    assert not (work / "vectors").exists()
    whole = build(PASSAGES, tmp_path / "whole", wanted)
    assert manifest["fingerprint"] == whole["fingerprint"]
    assert (tmp_path / "index" / "vectors.faiss").read_bytes() == (
        tmp_path / "whole" / "vectors.faiss"
    ).read_bytes()


def test_shards_of_another_text_are_not_reused(tmp_path, encoder, monkeypatch):
    wanted, work = settings_for(encoder, shard=2), tmp_path / "work"
    encode, calls = Encoder.passages, []

    def failing(self, texts):
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(self, texts)

    monkeypatch.setattr(Encoder, "passages", failing)
    with pytest.raises(KeyboardInterrupt):
        build(PASSAGES, tmp_path / "index", wanted, work)
    changed = [PASSAGES[1], PASSAGES[0], *PASSAGES[2:]]
    build(changed, tmp_path / "index", wanted, work)
    assert calls == [2, 2, 2, 2, 2]
    build(changed, tmp_path / "other", wanted)
    assert (tmp_path / "index" / "vectors.faiss").read_bytes() == (
        tmp_path / "other" / "vectors.faiss"
    ).read_bytes()


def test_an_encoder_that_does_not_exist(tmp_path):
    with pytest.raises(ModelError, match="could not be loaded"):
        build(PASSAGES, tmp_path / "index", settings_for(str(tmp_path)))


def test_damage_is_reported_in_one_sentence(tmp_path, encoder):
    build(PASSAGES, tmp_path / "index", settings_for(encoder))
    path = tmp_path / "index" / "vectors.faiss"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SearchError, match=r"is damaged .*vectors\.faiss"):
        load(tmp_path / "index")


def test_an_id_of_two_passages_is_an_error(tmp_path, encoder):
    with pytest.raises(DataError, match="The id 'z' belongs to two texts"):
        build([*PASSAGES, PASSAGES[0]], tmp_path / "index", settings_for(encoder))


def test_fusion_is_the_sum_of_reciprocal_ranks():
    order = np.array([3, 2, 1, 0], dtype=np.int32)
    words, meaning = [(0, 9.0), (1, 5.0), (2, 1.0)], [(1, 0.9), (3, 0.8), (0, 0.1)]
    fused = fuse([words, meaning], (1.0, 0.5), 60, order, 10)
    expected = {0: 1 / 61 + 0.5 / 63, 1: 1 / 62 + 0.5 / 61, 2: 1 / 63, 3: 0.5 / 62}
    assert dict(fused) == pytest.approx(expected)
    assert [row for row, _ in fused] == [0, 1, 2, 3]
    tied = fuse([[(0, 1.0)], [(1, 1.0)]], (1.0, 1.0), 60, order, 10)
    assert [row for row, _ in tied] == [1, 0]  # ordered by passage id
    assert fuse([[], []], (1.0, 1.0), 60, order, 3) == []


def test_hybrid_is_both_rankings_fused(tmp_path, encoder):
    build(PASSAGES, tmp_path / "index", settings_for(encoder, "hybrid"))
    searcher = load(tmp_path / "index")
    for query in QUERIES:
        both = [searcher.words.rank([query], 100)[0], searcher.meaning.rank([query], 100)[0]]
        hits = searcher.search([query], 4)[0]
        assert [(hit.passage, hit.score) for hit in hits] == [
            (PASSAGES[row], score) for row, score in fuse(both, (1.0, 0.5), 10, searcher.order, 4)
        ]
    assert searcher.document_frequency("radium") == 2
    assert searcher.page("marie  CURIE").text == TEXTS["z"][1]
    assert pickle.loads(pickle.dumps(searcher)).search(QUERIES, 2) == searcher.search(QUERIES, 2)
    assert asyncio.run(searcher.asearch("radium", 2)) == searcher.search(["radium"], 2)[0]
    manifest = json.loads(Path(tmp_path / "index" / "masksearch.json").read_text())
    assert {"bm25s", "faiss-cpu", "sentence-transformers"} <= set(manifest["versions"])


@pytest.mark.model
def test_the_packaged_encoder_knows_what_is_meant(tmp_path):
    texts = {
        "Physics": "She won two Nobel Prizes for her work on radioactivity.",
        "Cooking": "Simmer the onions gently until they are soft.",
    }
    passages = [Passage(id=title, doc_id=title, title=title, text=text) for title, text in texts.items()]
    build(passages, tmp_path / "index", IndexSettings(kind="dense"))
    searcher = load(tmp_path / "index")
    assert [
        hits[0].passage.id for hits in searcher.search(["a famous scientist", "a recipe for soup"], 1)
    ] == ["Physics", "Cooking"]
    assert searcher.encoder.dimension == 384


def test_half_a_surrogate_pair_in_a_query_crashes_nothing(tmp_path, encoder):
    build(PASSAGES, tmp_path / "index", settings_for(encoder))
    searcher = load(tmp_path / "index")
    assert len(searcher.search(["radium \ud83d", "\ud83d"], 3)[0]) == 3


def test_fewer_found_than_asked_for_is_no_warning(tmp_path, encoder):
    many = [
        passage.model_copy(update={"id": f"{passage.id}{number}"})
        for number in range(20)
        for passage in PASSAGES
    ]
    build(many, tmp_path / "index", settings_for(encoder, vectors="ivf", nprobe=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert load(tmp_path / "index").search(["radium"], 100)[0]


def test_an_encoder_other_than_the_one_of_the_build(tmp_path):
    encoder = save_tiny_encoder(tmp_path / "tiny")
    build(PASSAGES, tmp_path / "index", settings_for(encoder))
    shutil.rmtree(tmp_path / "tiny")
    assert save_tiny_encoder(tmp_path / "tiny", seed=1) == encoder
    with pytest.raises(SearchError, match="was built with the encoder"):
        load(tmp_path / "index").search(["radium"], 3)
    shutil.rmtree(tmp_path / "tiny")
    with pytest.raises(SearchError, match="could not be loaded"):
        load(tmp_path / "index").search(["radium"], 3)


def test_an_index_that_was_replaced_before_its_vectors_were_read(tmp_path, encoder):
    build(PASSAGES, tmp_path / "index", settings_for(encoder))
    early, late = load(tmp_path / "index"), load(tmp_path / "index")
    expected = early.search(QUERIES, 3)
    build(
        [*PASSAGES[::-1], Passage(id="n", doc_id="n", title="New", text="radium")],
        tmp_path / "index",
        settings_for(encoder),
    )
    assert early.search(QUERIES, 3) == expected
    with pytest.raises(SearchError, match="was replaced by another one"):
        late.search(QUERIES, 3)
    late = load(tmp_path / "index")
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(SearchError, match="cannot be read"):
        late.search(QUERIES, 3)
