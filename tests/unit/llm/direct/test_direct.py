"""A checkpoint without `transformers`: the same tokens and logits to the last bit; what it leaves alone."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from kit.serving_fakes import index
from kit.tiny import TEXTS

from masksearch.asking import Agent, AskSettings
from masksearch.errors import ModelError
from masksearch.llm.base import Sampling
from masksearch.llm.checkpoint import load_checkpoint
from masksearch.llm.decoder.engine import Engine
from masksearch.llm.decoder.local_policy import LocalPolicy
from masksearch.llm.direct.llama import LlamaModel
from masksearch.llm.direct.opening import open_direct
from masksearch.llm.opening import open_policy
from masksearch.llm.token_session import encode_plain, encode_prompt, end_tokens

TRICKY = (
    *TEXTS,
    "",
    "  two  spaces , and a comma .\n\n\tTabs",
    "<|im_start|>user\nHello<|im_end|>",
    "<think>Ünïcödé 镭 🙂 \ud83d</think>".encode("utf-8", "replace").decode(),
    "\u202e\x00 control",
)
CHAT: Any = [
    {"role": "system", "content": "You search. <|im_end|>"},
    {"role": "user", "content": "Who\nis 'Ada' & <b>?"},
]


def opened(folder: Path | str, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    found = open_direct(str(folder), dtype)
    assert found is not None
    return found


def changed(folder: Path, source: Path, file: str, **values: Any) -> Path:
    """Copies a checkpoint, with other entries in one of its JSON files; None removes an entry."""
    shutil.copytree(source, folder)
    table = {**json.loads((folder / file).read_text()), **values}
    (folder / file).write_text(
        json.dumps({name: value for name, value in table.items() if value is not None})
    )
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_hidden_states_and_logits_are_those_of_transformers(
    tiny_checkpoint: Path, dtype: torch.dtype
) -> None:
    theirs, ours = load_checkpoint(tiny_checkpoint, dtype)[0], opened(tiny_checkpoint, dtype)[0]
    engines = [Engine(model, 3, 64) for model in (theirs, ours)]
    generator = torch.Generator().manual_seed(5)
    for rows, tokens, start in ((torch.tensor([2, 0]), 7, 0), (3, 1, 7), (torch.tensor([1]), 30, 3)):
        width = rows if isinstance(rows, int) else len(rows)
        ids = torch.randint(0, 300, (width, tokens), generator=generator)
        places = torch.arange(start, start + tokens).repeat(width, 1)
        last = torch.full((width,), tokens - 1)
        one, two = (engine._forward(ids, places, rows, last) for engine in engines)
        assert torch.equal(one, two)
    assert torch.equal(engines[0].cache.keys, engines[1].cache.keys)
    assert torch.equal(engines[0].cache.values, engines[1].cache.values)


def test_tokens_and_texts_are_those_of_transformers(tiny_checkpoint: Path) -> None:
    (their_model, theirs), (our_model, ours) = (
        load_checkpoint(tiny_checkpoint, torch.float32),
        opened(tiny_checkpoint),
    )
    assert len(ours) == len(theirs)
    assert end_tokens(our_model, ours) == end_tokens(their_model, theirs)
    assert encode_prompt(ours, CHAT) == encode_prompt(theirs, CHAT)
    every = [[token] for token in range(len(ours))]
    assert ours.batch_decode(every) == theirs.batch_decode(every)
    for text in TRICKY:
        ids = encode_plain(theirs, text)
        assert encode_plain(ours, text) == ids
        whole = theirs(text, add_special_tokens=False)["input_ids"]
        assert ours(text, add_special_tokens=False)["input_ids"] == whole
        for skip in (True, False):
            options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": False}
            assert ours.decode(whole, **options) == theirs.decode(whole, **options)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_episode_is_the_same(tiny_checkpoint: Path, temperature: float) -> None:
    settings = AskSettings(
        temperature=temperature, agent={"max_tokens": 60, "turn_tokens": 20, "max_length": 512}
    )
    replies = []
    for model, tokenizer in (load_checkpoint(tiny_checkpoint, torch.float32), opened(tiny_checkpoint)):
        agent = Agent(LocalPolicy(model, tokenizer, "m", 2, 512), index(), settings)
        replies.append(asyncio.run(agent.ask("Who discovered radium?")))
    assert replies[0].trajectory == replies[1].trajectory
    assert replies[0].trajectory.usage.model_tokens > 10


def test_ask_and_serve_open_it_and_evaluations_do_not(tiny_checkpoint: Path) -> None:
    quick: Any = open_policy(str(tiny_checkpoint), dtype="float32", quickly=True)
    assert isinstance(quick.engine.model, LlamaModel)
    plain: Any = open_policy(str(tiny_checkpoint), dtype="float32")
    assert not isinstance(plain.engine.model, LlamaModel)


def test_nothing_imports_transformers(tiny_checkpoint: Path) -> None:
    code = (
        "import sys\nfrom masksearch.asking import AskSettings\n"
        "from masksearch.asking.agent import open_model\n"
        f"open_model(AskSettings(model={str(tiny_checkpoint)!r}, dtype='float32'))\n"
        "print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"model_type": "qwen2"}),
        ("config.json", {"hidden_act": "gelu"}),
        ("config.json", {"attention_bias": True}),
        ("config.json", {"mlp_bias": True}),
        ("config.json", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2}}),
        ("config.json", {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2}}),
        ("config.json", {"quantization_config": {"bits": 4}}),
        ("config.json", {"num_hidden_layers": 1}),
        ("config.json", {"num_hidden_layers": 9}),
        ("config.json", {"rms_norm_eps": None}),
        ("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"}),
        ("tokenizer_config.json", {"eos_token": "<|no such token|>"}),
        ("tokenizer_config.json", {"eos_token": {"content": "<|im_end|>"}}),
    ],
)
def test_other_checkpoints_are_left_to_transformers(
    tmp_path: Path, tiny_checkpoint: Path, file: str, values: dict[str, Any]
) -> None:
    assert open_direct(str(changed(tmp_path / "m", tiny_checkpoint, file, **values)), torch.float32) is None


@pytest.mark.parametrize(
    "template", ["{% generation %}x{% endgeneration %}", "{{ messages | tojson }}", None]
)
def test_templates_with_more_are_left_to_transformers(
    tmp_path: Path, tiny_checkpoint: Path, template: str | None
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "m")
    file = tmp_path / "m" / "chat_template.jinja"
    if template is None:
        file.unlink()
    else:
        file.write_text(template)
    assert open_direct(str(tmp_path / "m"), torch.float32) is None


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize("damage", ["missing", "junk"])
def test_damage_is_reported_as_before(tmp_path: Path, tiny_checkpoint: Path, name: str, damage: str) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "m")
    if damage == "missing":
        (tmp_path / "m" / name).unlink()
    else:
        (tmp_path / "m" / name).write_bytes(b"junk")
    assert open_direct(str(tmp_path / "m"), torch.float32) is None
    assert open_direct("owner/name", torch.float32) is None


def test_a_template_that_refuses_is_a_sentence(tmp_path: Path, tiny_checkpoint: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").write_text("{{ raise_exception('no system messages') }}")
    policy = LocalPolicy(*opened(tmp_path / "m"), "m", 1, 64)
    with pytest.raises(ModelError, match=r"refuses the prompt: no system messages\."):
        asyncio.run(policy.open(CHAT, Sampling()))


def test_output_embeddings_may_be_the_input_embeddings(tmp_path: Path, tiny_checkpoint: Path) -> None:
    folder = changed(tmp_path / "m", tiny_checkpoint, "config.json", tie_word_embeddings=True)
    model = opened(folder)[0]
    states = torch.randn(2, 32, generator=torch.Generator().manual_seed(1))
    words = model._weights["model.embed_tokens.weight"]
    assert torch.equal(model.get_output_embeddings()(states), torch.nn.functional.linear(states, words))


def test_older_configurations_name_the_rotation_otherwise(tmp_path: Path, tiny_checkpoint: Path) -> None:
    theta = json.loads((tiny_checkpoint / "config.json").read_text())["rope_parameters"]["rope_theta"]
    older = changed(tmp_path / "m", tiny_checkpoint, "config.json", rope_parameters=None, rope_theta=theta)
    assert opened(older)[0].config == opened(tiny_checkpoint)[0].config
