"""Cross-encoders from folders: shared by threads and processes, models that do not rank, damaged files."""

from __future__ import annotations

import pickle
import shutil
import threading
from pathlib import Path

import pytest
from kit.search_fakes import PASSAGES

from masksearch.errors import ModelError
from masksearch.search import Bm25Searcher
from masksearch.search.wrappers.reranked import Reranked, load_cross_encoder

PLAIN = Bm25Searcher.in_memory(PASSAGES)
QUERIES = ["radium", "capital of france", "king and queen", "river"]


def save_cross_encoder(folder: Path, labels: int = 1, seed: int = 0) -> str:
    """Saves a tiny model with random weights in the format of transformers; returns its folder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = sorted(
        {
            word
            for passage in PASSAGES
            for word in f"{passage.title} {passage.text}".lower().replace(".", " .").split()
        }
    )
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    torch.manual_seed(seed)
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
    }
    BertForSequenceClassification(
        BertConfig(vocab_size=len(words) + 5, num_labels=labels, **sizes)
    ).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_cross_encoder(tmp_path_factory.mktemp("cross") / "tiny")


@pytest.mark.slow
def test_threads_share_it_and_it_pickles(model: str) -> None:
    searcher = Reranked(PLAIN, *load_cross_encoder(model, batch=3), 10)
    expected = searcher.search(QUERIES, 5)
    assert expected != PLAIN.search(QUERIES, 5)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append([searcher.search([query], 5)[0] for query in QUERIES]))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6
    copy = pickle.loads(pickle.dumps(searcher))
    assert copy.search(QUERIES, 5) == expected
    assert copy.fingerprint == searcher.fingerprint


def test_its_name_depends_on_the_weights(model: str, tmp_path: Path) -> None:
    other = save_cross_encoder(tmp_path / "tiny", seed=1)
    again = shutil.copytree(model, tmp_path / "copy" / "tiny")
    names = [load_cross_encoder(str(folder))[1] for folder in (model, other, again)]
    assert names[0] == names[2] != names[1]


def test_a_model_that_cannot_rank_is_reported_in_one_sentence(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gives 3 numbers per pair"):
        load_cross_encoder(save_cross_encoder(tmp_path / "classifier", labels=3))
    with pytest.raises(
        ModelError, match=r"'.*none' could not be loaded .*name a sentence-transformers folder"
    ):
        load_cross_encoder(str(tmp_path / "none"))
    for name, content in (("model.safetensors", b"no weights" * 50), ("config.json", b"{")):
        folder = shutil.copytree(model, tmp_path / name)
        (folder / name).write_bytes(content)
        with pytest.raises(ModelError, match="could not be loaded"):
            load_cross_encoder(str(folder))


def test_half_a_surrogate_pair_in_a_query_crashes_nothing(model: str) -> None:
    assert len(Reranked(PLAIN, *load_cross_encoder(model), 10).search(["radium \ud83d"], 3)[0]) == 3
