"""A stage of a recipe that a launcher trained inside a run's folder is done for `masksearch run` as well."""

import json

import pytest
from kit.launch import launch
from kit.train_helpers import weights, write_trajectories

from masksearch.cli.main import main

RECIPE = """
name = "launched"

[stages.first]
kind = "sft"
model = "{model}"
trajectories = ["{trajectories}"]
batch_size = 4
max_steps = 2
dtype = "float32"
trackers = ["none"]

[stages.second]
kind = "sft"
model = "first"
trajectories = ["{trajectories}"]
batch_size = 4
max_steps = 1
dtype = "float32"
trackers = ["none"]
"""


def same(one, other):
    return set(one) == set(other) and all(one[name].equal(other[name]) for name in one)


@pytest.fixture
def recipe(tmp_path, tiny_checkpoint):
    data = write_trajectories(tmp_path / "t.jsonl")
    path = tmp_path / "launched.toml"
    path.write_text(
        RECIPE.replace("{model}", str(tiny_checkpoint)).replace("{trajectories}", str(data)),
        encoding="utf-8",
    )
    return path


def test_run_takes_a_stage_that_two_processes_trained_as_done(tmp_path, recipe, capsys):
    run = tmp_path / "run"
    product = run / "stages" / "first" / "checkpoint"
    ended = launch("sft", "--recipe", recipe, "--stage", "first", "-o", product)
    assert ended.returncode == 0, ended.stderr
    report = json.loads((product.parent / "sft-report.json").read_text(encoding="utf-8"))
    assert report["processes"] == 2
    assert not product.with_name("checkpoint.work").exists()
    trained, made = weights(product), (product / "model.safetensors").stat().st_mtime_ns

    assert main(["run", str(recipe), "--out", str(run)]) == 0
    told = capsys.readouterr().err
    assert "[1/2] first  — done already" in told
    assert "[2/2] second  — " in told
    assert "[2/2] second  — done already" not in told
    assert (product / "model.safetensors").stat().st_mtime_ns == made
    assert same(weights(product), trained)
    rows = json.loads((run / "run.json").read_text(encoding="utf-8"))["stages"]
    assert [row["status"] for row in rows] == ["done", "done"]

    again = launch("sft", "--recipe", recipe, "--stage", "first", "-o", product)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("This stage is done already") == 1, "rank 0 alone prints"
    assert (product / "model.safetensors").stat().st_mtime_ns == made


def test_a_launched_stage_that_builds_on_another_is_done_too(tmp_path, recipe, capsys):
    run = tmp_path / "run"
    for name in ("first", "second"):
        product = run / "stages" / name / "checkpoint"
        assert main(["sft", "--recipe", str(recipe), "--stage", name, "-o", str(product)]) == 0
    capsys.readouterr()
    assert main(["run", str(recipe), "--out", str(run)]) == 0
    assert capsys.readouterr().err.count("done already") == 2


def test_run_does_not_delete_what_a_command_trained_with_other_settings(tmp_path, recipe, capsys):
    run = tmp_path / "run"
    product = run / "stages" / "first" / "checkpoint"
    flags = ["--recipe", str(recipe), "--stage", "first", "--max-steps", "1"]
    assert main(["sft", *flags, "-o", str(product)]) == 0
    trained = weights(product)
    capsys.readouterr()
    assert main(["run", str(recipe), "--out", str(run)]) == 2
    assert "holds the work of a single command with other settings" in capsys.readouterr().err
    assert same(weights(product), trained)
    # Given the same settings, the run takes it.
    overrides = ["--set", "stages.first.max_steps=1"]
    assert main(["run", str(recipe), "--out", str(run), *overrides]) == 0
    assert "[1/2] first  — done already" in capsys.readouterr().err


def test_a_stage_that_an_earlier_version_launched_is_taken_over(tmp_path, recipe, capsys):
    """Earlier versions kept the marks of a launched stage in PRODUCT.work."""
    elsewhere, run = tmp_path / "checkpoint", tmp_path / "run"
    assert main(["sft", "--recipe", str(recipe), "--stage", "first", "-o", str(elsewhere)]) == 0
    stage = run / "stages" / "first"
    stage.mkdir(parents=True)
    elsewhere.rename(stage / "checkpoint")
    elsewhere.with_name("checkpoint.work").rename(stage / "checkpoint.work")
    trained = weights(stage / "checkpoint")
    capsys.readouterr()
    assert main(["run", str(recipe), "--out", str(run)]) == 0
    assert "[1/2] first  — done already" in capsys.readouterr().err
    assert same(weights(stage / "checkpoint"), trained)


def test_an_unfinished_launch_is_refused_and_kept(tmp_path, recipe, capsys):
    run = tmp_path / "run"
    states = run / "stages" / "first" / "checkpoint.work" / "states"
    states.mkdir(parents=True)
    assert main(["run", str(recipe), "--out", str(run)]) == 2
    assert "holds other files; move it away, or choose another --out" in capsys.readouterr().err
    assert states.exists()
