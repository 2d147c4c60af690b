"""Tasks, questions and trajectories as Parquet: read again as they were, counted, with a card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kit.finished_run import demo_run, questions, ramp_tasks, right_trajectory, wrong_trajectory

from masksearch.cli.main import main
from masksearch.errors import DataError, FormatError
from masksearch.interop.publish.dataset import write_dataset
from masksearch.runtime.files import write_json_lines
from masksearch.runtime.records import read_records, read_tasks
from masksearch.types import ChainStep, Question, Trajectory

pytest.importorskip("pyarrow")
CHAINED = Question(
    id="c",
    question="Where was the director of Heat born?",
    answers=("Chicago",),
    hops=2,
    shape="chain",
    form="question",
    bridges=("Michael Mann",),
    evidence=("p1", "p2"),
    steps=(
        ChainStep(subject="Heat", need="the director", title="Heat", passage_id="p1", value="Michael Mann"),
    ),
    verdicts={"retrievable": {"ranks": [1, 2]}},
)


def lines(path: Path, records: Any) -> Path:
    write_json_lines(path, [record.to_json() for record in records])
    return path


def front(folder: Path) -> dict[str, Any]:
    """Returns the metadata of a card."""
    return dict(yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1]))


@pytest.mark.parametrize("records", [ramp_tasks(3, masks=2), questions(3), [CHAINED, *questions(2)]])
def test_tasks_are_read_again_as_they_were(tmp_path: Path, records: list[Any]) -> None:
    counted = write_dataset(lines(tmp_path / "t.jsonl", records), tmp_path / "out")
    assert counted.rows == 3
    assert read_tasks(tmp_path / "out") == records


def test_trajectories_are_read_again_as_they_were(tmp_path: Path) -> None:
    tasks = [*ramp_tasks(2), *questions(2)]
    made = [*map(right_trajectory, tasks[:3]), wrong_trajectory(tasks[3])]
    made[0] = made[0].model_copy(update={"search_errors": ("away",), "tools": ("search", "open")})
    counted = write_dataset(lines(tmp_path / "t.jsonl", made), tmp_path / "out")
    assert read_records(tmp_path / "out", Trajectory) == made
    assert counted.counts["ended"] == {"answered": 4}
    assert counted.counts["task"] == {"RAMP": 2, "question": 2}


def test_many_rows_become_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masksearch.interop.publish.dataset.PER_FILE", 2)
    counted = write_dataset(lines(tmp_path / "t.jsonl", ramp_tasks(5)), tmp_path / "out")
    assert counted.files == ["tasks-00000.parquet", "tasks-00001.parquet", "tasks-00002.parquet"]
    assert read_tasks(tmp_path / "out") == ramp_tasks(5)


def test_other_records_are_refused_with_their_line(tmp_path: Path) -> None:
    for record, error in (({"a": 1}, FormatError), ({"turns": 1}, FormatError)):
        path = tmp_path / "x.jsonl"
        path.write_text(json.dumps(record) + "\n", encoding="utf-8")
        with pytest.raises(error, match=r"x\.jsonl, line 1"):
            write_dataset(path, tmp_path / "out")
    twice = lines(tmp_path / "t.jsonl", [*questions(1), *questions(1)])
    with pytest.raises(DataError, match="line 2 repeats the id 'q0'"):
        write_dataset(twice, tmp_path / "out")


def test_the_command_writes_a_folder_with_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = lines(tmp_path / "t.jsonl", ramp_tasks(4, masks=2))
    assert main(["publish", str(source), "-o", str(tmp_path / "out"), "--text-licence", "mit"]) == 0
    assert "4 tasks as Parquet, with a card" in "".join(capsys.readouterr())
    metadata = front(tmp_path / "out")
    assert metadata["license"] == "mit"
    assert metadata["configs"] == [{"config_name": "default", "data_files": "tasks-*.parquet"}]
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| 2 | 4 |" in card
    assert "Not recorded: the files belong to no run." in card
    assert "Corpus: not recorded." in card
    assert "| text that it was made from | mit |" in card


def test_a_stage_is_published_with_the_settings_that_made_it(tmp_path: Path) -> None:
    run = demo_run(tmp_path / "run")
    folder = run.stage("tasks", "mask", {"text": "4 tasks from 9 passages tried"})
    run.recipe["tasks"]["settings"] = {
        "corpus": "wiki-summaries:en",
        "masks": "1",
        "split": "train",
        "seed": 7,
    }
    run.stage("more", "model")  # writes run.json again
    lines(folder / "tasks.jsonl", ramp_tasks(4))
    (folder / "done.json").write_text(json.dumps({"kind": "mask"}), encoding="utf-8")
    assert main(["publish", str(folder), "-o", str(tmp_path / "out")]) == 0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    made = "| tasks | mask | corpus wiki-summaries:en; split train; masks 1; seed 7 | 4 tasks from 9 passages"
    assert made in card
    assert front(tmp_path / "out")["license"] == "cc-by-sa-4.0"
    assert (tmp_path / "out" / "recipe.json").is_file()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--gguf"], "--gguf is for checkpoints, not for data"),
        (["--num-ctx", "4096"], "--num-ctx has no effect without --gguf"),
        (["--gguf-type", "f32"], "--gguf-type has no effect without --gguf"),
    ],
)
def test_settings_without_effect_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    source = lines(tmp_path / "t.jsonl", ramp_tasks(1))
    assert main(["publish", str(source), "-o", str(tmp_path / "out"), *flags]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
