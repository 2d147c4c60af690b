"""Checkpoint folders: a save is complete or leaves the old folder; errors of a load are one sentence."""

import json
import shutil

import pytest
import torch
from kit.tiny import make_tiny_model

from masksearch.errors import ModelError
from masksearch.llm.checkpoint import (
    checkpoint_name,
    checkpoint_retrievers,
    load_checkpoint,
    make_mark,
    run_model,
    save_checkpoint,
)
from masksearch.llm.settings import ModelSettings


def refuse(source):
    with pytest.raises(ModelError) as caught:
        load_checkpoint(source, torch.float32)
    message = str(caught.value)
    assert "\n" not in message
    assert str(source) in message
    return message


def test_what_is_no_model(tmp_path):
    assert "There is no model" in refuse(tmp_path / "nothing")
    assert "There is no model" in refuse("plainname")
    (tmp_path / "file").write_text("x")
    assert "is a file" in refuse(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    assert "has no config.json" in refuse(tmp_path / "folder")


@pytest.mark.parametrize("config", ["{}", "no json", "[]", '{"model_type": "nonsense"}'])
def test_a_config_that_is_none(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    assert "cannot be loaded" in refuse(tmp_path)


@pytest.mark.parametrize(
    "damage", ["weights missing", "weights cut", "weights junk", "tokenizer junk", "tokenizer missing"]
)
def test_a_damaged_checkpoint(tmp_path, tiny_checkpoint, damage):
    folder = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, folder)
    thing, fault = damage.split()
    file = folder / ("model.safetensors" if thing == "weights" else "tokenizer.json")
    if fault == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:5000] if fault == "cut" else b"junk")
    assert "cannot be loaded" in refuse(folder)


def test_round_trip(tmp_path, tiny_checkpoint):
    model, tokenizer = load_checkpoint(tiny_checkpoint, torch.float32)
    save_checkpoint(model, tokenizer, tmp_path / "out", {"name": "mine", "parent": "x"})
    again, tokenizer_again = load_checkpoint(tmp_path / "out", torch.float32)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    text = "Marie <|im_end|> Curie"
    assert tokenizer_again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert tokenizer_again.chat_template == tokenizer.chat_template
    assert checkpoint_name(tmp_path / "out") == "mine"
    assert checkpoint_name(tiny_checkpoint) == str(tiny_checkpoint)
    assert load_checkpoint(tiny_checkpoint, torch.bfloat16)[0].dtype == torch.bfloat16


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path, tiny_tokenizer):
    save_checkpoint(make_tiny_model(tiny_tokenizer), tiny_tokenizer, tmp_path / "out", {"name": "old"})

    class Broken:
        def save_pretrained(self, folder):
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        save_checkpoint(make_tiny_model(tiny_tokenizer), Broken(), tmp_path / "out", {"name": "new"})
    assert checkpoint_name(tmp_path / "out") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    load_checkpoint(tmp_path / "out", torch.float32)


def test_the_stage_copies_a_folder(tmp_path, tiny_checkpoint):
    summary = run_model(ModelSettings(source=str(tiny_checkpoint)), tmp_path / "out", tmp_path)
    assert summary["parameters"] == sum(
        weight.numel() for weight in load_checkpoint(tmp_path / "out", torch.float32)[0].parameters()
    )
    assert json.loads((tmp_path / "out" / "masksearch.json").read_text()) == {
        "name": str(tiny_checkpoint),
        "parent": "",
    }


def test_a_mark_has_the_searches_of_the_parent_too(tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    assert make_mark("m", str(parent), "sft", [""]) == {"name": "m", "parent": str(parent), "stage": "sft"}
    (parent / "masksearch.json").write_text(json.dumps(make_mark("m", retrievers=["b"])))
    assert checkpoint_retrievers(parent) == ("b",)
    assert make_mark("n", str(parent), "rl", ["c", "a", "b", ""])["retrievers"] == ["a", "b", "c"]
    assert make_mark("n", retrievers=()) == {"name": "n", "parent": ""}


def test_a_mark_of_an_earlier_version_records_no_searches(tmp_path):
    for text in ('{"name": "m", "parent": ""}', "[]", "{", '{"retrievers": "b"}'):
        (tmp_path / "masksearch.json").write_text(text)
        assert checkpoint_retrievers(tmp_path) == ()
    assert checkpoint_retrievers(tmp_path / "none") == checkpoint_retrievers("") == ()
    assert checkpoint_name(tmp_path) == str(tmp_path)


def test_the_stage_keeps_the_searches_of_a_folder(tmp_path, tiny_checkpoint):
    folder = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / "masksearch.json").write_text(json.dumps(make_mark("m", retrievers=["bm25-0"])))
    run_model(ModelSettings(source=str(folder)), tmp_path / "out", tmp_path)
    assert checkpoint_retrievers(tmp_path / "out") == ("bm25-0",)
