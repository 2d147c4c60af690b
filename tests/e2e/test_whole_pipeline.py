"""Runs the commands of the pipeline one after the other, on a few real articles with a tiny random model.

The model cannot learn. The tests check that each stage reads the product of the previous one, and that the
figures are consistent.
"""

from __future__ import annotations

import gzip
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.places import DATA
from kit.tiny import make_tiny_checkpoint
from kit.waiting import wait_for
from kit.zygote import Zygote

from masksearch.cli.main import main
from masksearch.runtime.files import write_json_lines

pytestmark = pytest.mark.e2e
HOTPOTQA = DATA / "hotpotqa"
ARTICLES = 160
SMALL = ["--agent.max-tokens", "24", "--agent.turn-tokens", "12", "--agent.passage-words", "12"]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0, arguments


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus of real articles, questions and a tiny model.

    The corpus includes the gold articles of some training questions.
    """
    folder = tmp_path_factory.mktemp("e2e")
    with gzip.open(HOTPOTQA / "train_questions.jsonl.gz", "rt", encoding="utf-8") as stream:
        questions = [json.loads(line) for line in stream][:40]
    gold = {passage for question in questions for passage in question["supporting_passages"]}
    with gzip.open(HOTPOTQA / "corpus.jsonl.gz", "rt", encoding="utf-8") as stream:
        passages = [json.loads(line) for line in stream]
    wanted = [
        passage for number, passage in enumerate(passages) if passage["id"] in gold or number % 300 == 0
    ]
    chosen = wanted[:ARTICLES]
    write_json_lines(folder / "docs.jsonl", chosen)
    write_json_lines(folder / "questions.jsonl", questions)
    make_tiny_checkpoint(folder / "tiny", [passage["text"] for passage in chosen[:30]])
    return folder


def test_every_command_in_turn(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs, index, tiny = place / "docs.jsonl", place / "index", place / "tiny"
    run("index", docs, "-o", index)
    run("search", index, "american actress", "-k", 3, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["hits"]
    assert found["retriever"].startswith("bm25-")

    train = ("--split", "train", "--masks", "1-4", "--limit", 16)
    run("mask", docs, "-o", place / "tasks.jsonl", "--index", index, *train)
    heldout = ("--split", "heldout", "--masks", "1", "--limit", 6)
    run("mask", docs, "-o", place / "heldout.jsonl", "--index", index, *heldout)
    tasks = rows(place / "tasks.jsonl")
    assert [sum(task["masks"] == count for task in tasks) for count in (1, 2, 3, 4)] == [4, 4, 4, 4]
    assert all(task["text"].count("[mask]") == task["masks"] == len(task["answers"]) for task in tasks)
    assert not {task["title"] for task in tasks} & {task["title"] for task in rows(place / "heldout.jsonl")}

    run("synthesize", place / "tasks.jsonl", "-o", place / "ramp.jsonl", "--index", index)
    run("synthesize", place / "questions.jsonl", "-o", place / "downstream.jsonl", "--index", index)
    ramp, downstream = rows(place / "ramp.jsonl"), rows(place / "downstream.jsonl")
    assert len(ramp) >= 12
    assert len(downstream) >= 5
    assert {row["retriever"] for row in ramp + downstream} == {found["retriever"]}
    assert all(row["scores"]["em"] == 1.0 and row["usage"]["searches"] >= 1 for row in ramp + downstream)

    trajectories = ["--trajectories", place / "ramp.jsonl", place / "downstream.jsonl"]
    limits = ("--batch-size", 4, "--max-steps", 3, "--max-length", 4096, "--learning-rate", "1e-3")
    run("sft", "--model", tiny, *trajectories, "-o", place / "sft", *limits)
    assert (place / "sft" / "model.safetensors").exists()
    inputs = ("--model", place / "sft", "--tasks", place / "tasks.jsonl", "--index", index)
    sizes = ("--prompts-per-step", 2, "--group-size", 2, "--micro-batch-size", 2, "--max-refills", 1)
    limits = ("--steps", 2, "--agent.max-length", 2048, *SMALL)
    run("rl", *inputs, "-o", place / "rl", *sizes, *limits)
    rollouts = rows(place / "rl.work" / "rollouts.jsonl")
    assert {row["step"] for row in rollouts} == {1, 2}
    assert all({"f1", "format", "overlong", "total"} <= row["reward"].keys() for row in rollouts)

    for method in ("agent", "rag", "closed-book"):
        inputs = (place / "heldout.jsonl", "--index", index, "--model", place / "rl")
        run("eval", *inputs, "--method", method, "-o", place / f"{method}.json", *SMALL)
    results = json.loads((place / "agent.json").read_text())
    assert results["format"] == "masksearch-results/1"
    assert results["n"] == len(results["per_question"]) == 6
    assert results["intervals"]["f1"][0] <= results["metrics"]["f1"] <= results["intervals"]["f1"][1]
    run("compare", place / "agent.json", place / "closed-book.json")
    assert "closed-book" in capsys.readouterr().out


RECIPE = """
name = "tiny"
corpus = "docs.jsonl"
model = "tiny"
[stages.index]
kind = "index"
[stages.tasks]
kind = "mask"
index = "index"
split = "train"
masks = "1"
limit = 12
[stages.heldout]
kind = "mask"
index = "index"
split = "heldout"
masks = "1"
limit = 6
[stages.trajectories]
kind = "synthesize"
tasks = "tasks"
index = "index"
[stages.sft]
kind = "sft"
model = "tiny"
trajectories = ["trajectories"]
max_length = 4096
batch_size = 2
max_steps = 12
save_steps = 2
dtype = "float32"
[stages.after]
kind = "eval"
questions = "heldout"
model = "sft"
index = "index"
not_trained_on = ["tasks"]
agent = { max_tokens = 16, turn_tokens = 8, passage_words = 12, max_length = 2048 }
[stages.comparison]
kind = "compare"
results = ["after"]
[stages.report]
kind = "report"
"""


def result(place: Path, out: str) -> dict[str, Any]:
    """Returns the results file without paths and times, which differ between runs."""
    loaded: dict[str, Any] = json.loads((place / out / "stages" / "after" / "results.json").read_text())
    loaded["settings"] = {
        key: value
        for key, value in loaded["settings"].items()
        if key not in ("questions", "model", "index", "not_trained_on")
    }
    for row in (loaded["metrics"], *loaded["per_question"]):
        del row["seconds"]
    return loaded


@pytest.fixture
def single_thread() -> Iterator[None]:
    """As in the processes that the test starts, so that sums are the same."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("single_thread")
def test_killed_in_training_and_started_again_ends_in_the_same_results(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], zygote: Zygote
) -> None:
    (place / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(place)
    run("run", "tiny.toml", "--out", "whole")

    again = ("run", "tiny.toml", "--out", "broken")
    broken = zygote.start("stages/sft/states", *again, call="kit.held:main")
    states = place / "broken" / "stages" / "sft" / "states"
    wait_for(lambda: any(states.glob("checkpoint-*/whole")) or broken.poll() is not None, 600)
    assert broken.poll() is None
    broken.send_signal(signal.SIGKILL)
    broken.communicate()
    assert not (place / "broken" / "stages" / "sft" / "checkpoint").exists()

    capsys.readouterr()
    run(*again)
    stderr = capsys.readouterr().err
    assert "resuming from step" in stderr
    assert "done already" in stderr
    assert result(place, "broken") == result(place, "whole")
    steps = [row["step"] for row in rows(place / "broken" / "stages" / "sft" / "log.jsonl") if "loss" in row]
    assert steps == list(range(1, 13))

    changed = zygote.start(*again, "--set", "stages.after.limit=3")
    stdout, stderr = changed.communicate(timeout=600)
    assert changed.returncode == 0, stderr
    assert stderr.count("done already") == 5, "only the evaluation and its dependents run again"
    assert result(place, "broken")["n"] == 3
    assert (place / "broken" / "stages" / "report" / "report.html").stat().st_size > 10_000
    assert "report.html" in stdout
