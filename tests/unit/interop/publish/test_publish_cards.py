"""The card of a model: its figures come from the run, and it names what is not shown and not recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kit.finished_run import FinishedRun, demo_run

from masksearch.cli.main import main
from masksearch.interop.publish.licences import model_licence, text_licence
from masksearch.interop.publish.origin import find_origin, public


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> FinishedRun:
    """The demo's run with tiny checkpoints, and the recipe's settings that name data."""
    made = demo_run(tmp_path_factory.mktemp("run"))
    made.recipe["base"]["settings"] = {"source": "smollm2-135m"}
    made.recipe["tasks"] = {
        "kind": "mask",
        "settings": {"corpus": "wiki-summaries:en", "masks": "1", "split": "train", "language": "en"},
    }
    made.recipe["trajectories"] = {"kind": "synthesize", "settings": {"tasks": "tasks", "teacher": "oracle"}}
    made.recipe["sft"]["settings"] = {
        "model": "base",
        "trajectories": ["trajectories"],
        "learning_rate": 6e-4,
    }
    made.recipe["rl"]["settings"] = {
        "model": "sft",
        "tasks": "tasks",
        "steps": 3,
        "index": "/home/me/secret/index",
        "agent": {"max_searches": 3, "turn_tokens": 99},
    }
    for name in ("base", "sft", "rl"):
        shutil.copytree(tiny_checkpoint, made.path(name) / "checkpoint")
        (made.path(name) / "checkpoint" / "masksearch.json").write_text(
            json.dumps({"name": "smollm2-135m" + {"base": "", "sft": "+sft", "rl": "+sft+rl"}[name]})
        )
        (made.path(name) / "done.json").write_text(
            json.dumps({"kind": {"base": "model"}.get(name, name)}), encoding="utf-8"
        )
    made._write()
    return made


def published(source: Path, output: Path, *flags: str) -> tuple[str, dict[str, Any]]:
    """Publishes a source; returns its card's text and metadata."""
    assert main(["publish", str(source), "-o", str(output), *flags]) == 0
    card = (output / "README.md").read_text(encoding="utf-8")
    return card, dict(yaml.safe_load(card.split("---\n")[1]))


def test_the_card_of_a_run_is_that_of_its_last_model(run: FinishedRun, tmp_path: Path) -> None:
    card, metadata = published(run.folder, tmp_path / "out")
    assert card.count("\n# smollm2-135m+sft+rl\n") == 1
    assert metadata["license"] == "apache-2.0"
    assert "| this model | apache-2.0 (that of the base model) |" in card
    assert metadata["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    results = metadata["model-index"][0]["results"]
    assert [entry["dataset"]["name"] for entry in results] == ["RAMP, one mask, n 100", "HotpotQA, n 60"]
    assert results[0]["metrics"][1] == {"type": "em", "value": 0.79}


def test_figures_have_n_and_intervals_and_what_is_not_shown(run: FinishedRun, tmp_path: Path) -> None:
    card, _ = published(run.path("rl"), tmp_path / "out")
    rows = [line for line in card.splitlines() if line.startswith("| RAMP, one mask | **")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[1:4] == ["**smollm2-135m+sft+rl**", "100", "1"]
    assert cells[4].startswith("79.0 [7")
    shown = card.split("What the run does not show:")[1].split("## Licences")[0]
    assert "rl: 3 steps, no measurable gain" in shown
    assert "One training seed" in shown
    assert "not shown." in shown


def test_the_training_and_its_data_are_listed(run: FinishedRun, tmp_path: Path) -> None:
    card, _ = published(run.path("rl"), tmp_path / "out")
    training, data = card.split("## Training")[1].split("## Data")
    data = data.split("## Figures")[0]
    names = [line.split("|")[1].strip() for line in training.splitlines() if line.startswith("| ")][2:]
    assert names == ["base", "sft", "rl"]
    assert "learning_rate 0.0006" in training
    assert "| tasks | mask | corpus wiki-summaries:en; split train; masks 1 |" in data
    assert "| trajectories | synthesize | teacher oracle; tasks tasks |" in data
    assert "Corpus: `wiki-summaries:en`." in data
    assert "| text that it was trained on | cc-by-sa-4.0 |" in card
    protocol = json.loads((tmp_path / "out" / "protocol.json").read_text(encoding="utf-8"))
    assert (protocol["max_searches"], protocol["turn_tokens"]) == (3, 99)


def test_an_earlier_checkpoint_gets_its_own_rows(run: FinishedRun, tmp_path: Path) -> None:
    card, metadata = published(run.path("sft") / "checkpoint", tmp_path / "out")
    assert "| **smollm2-135m+sft** |" in card
    assert "| **smollm2-135m+sft+rl** |" not in card
    names = [entry["dataset"]["name"] for entry in metadata["model-index"][0]["results"]]
    assert names == ["RAMP, one mask, n 100", "RAMP, two masks, n 40"]


def test_no_path_of_this_machine_is_published(run: FinishedRun, tmp_path: Path) -> None:
    published(run.folder, tmp_path / "out")
    for path in (tmp_path / "out").glob("*.*"):
        if path.suffix in (".md", ".json", ".txt", ".jinja", ".py"):
            text = path.read_text(encoding="utf-8")
            assert str(run.folder) not in text, path
            assert "/home/me" not in text, path


def test_a_checkpoint_without_a_run_says_so(tiny_checkpoint: Path, tmp_path: Path) -> None:
    card, metadata = published(tiny_checkpoint, tmp_path / "my-model")
    assert "\n# my-model\n" in card
    assert "How this checkpoint was trained is not recorded: it belongs to no run." in card
    assert "This checkpoint has no results" in card
    assert "| base model | not recorded |" in card
    assert "| text that it was trained on | not recorded |" in card
    assert "license" not in metadata
    assert "model-index" not in metadata


def test_a_run_without_results_says_so(tiny_checkpoint: Path, tmp_path: Path) -> None:
    made = FinishedRun(tmp_path / "run")
    made.stage("sft", "sft", {"text": "57 steps"})
    made.recipe["sft"]["settings"] = {"model": "base"}
    made._write()
    shutil.copytree(tiny_checkpoint, made.path("sft") / "checkpoint")
    (made.path("sft") / "done.json").write_text('{"kind": "sft"}', encoding="utf-8")
    card, _ = published(made.path("sft"), tmp_path / "out")
    assert "This checkpoint has no results" in card
    assert "| sft | sft |  | 57 steps |" in card


def test_licences_can_be_given(tiny_checkpoint: Path, tmp_path: Path) -> None:
    card, metadata = published(
        tiny_checkpoint, tmp_path / "out", "--licence", "mit", "--text-licence", "cc0-1.0"
    )
    assert metadata["license"] == "mit"
    assert "| this model | mit |" in card
    assert "| text that it was trained on | cc0-1.0 |" in card


def test_the_licence_of_a_base_model_comes_from_its_card(tmp_path: Path) -> None:
    assert model_licence(str(tmp_path)) == "not recorded"
    (tmp_path / "README.md").write_text("---\nlanguage: en\nlicense: llama3.2\n---\nlicense: no\n")
    assert model_licence(str(tmp_path)) == "llama3.2"
    (tmp_path / "README.md").write_text("license: mit\n")
    assert model_licence(str(tmp_path)) == "not recorded"
    assert model_licence("") == model_licence("/nowhere/model") == "not recorded"


def test_the_licence_of_a_text_is_known_for_shipped_corpora_only() -> None:
    assert text_licence(["wiki-summaries:fr", "data/hotpotqa/corpus.jsonl.gz"]) == "cc-by-sa-4.0"
    assert text_licence(["wiki-summaries:en", "docs.jsonl"]) == text_licence([]) == "not recorded"


def test_a_product_of_a_single_command_has_the_settings_of_its_mark(tmp_path: Path) -> None:
    mark = {"made_from": {"kind": "sft", "settings": {"model": "base", "seed": 3}}}
    (tmp_path / "m.work").mkdir()
    (tmp_path / "m.work" / "stage.json").write_text(json.dumps(mark), encoding="utf-8")
    origin = find_origin(tmp_path / "m")
    assert [(step.kind, step.settings["seed"]) for step in origin.made_by] == [("sft", 3)]
    assert (origin.run, origin.stage) == (None, "")


def test_published_settings_have_no_paths_and_no_addresses() -> None:
    value = {"a": "/home/me/docs.jsonl", "b": ["tasks", "http://10.0.0.1:8000/v1"], "c": 1}
    assert public(value) == {"a": "docs.jsonl", "b": ["tasks", ""], "c": 1}
